"""What the steps of the running round have used so far, on disk: also what a killed attempt used counts.

    data/metrics/usage.json     {"policy": {"wall": 41.2, "cpu": 80.1, …}, …}

The numbers differ between two runs of one round. They are no part of its key, and no step reads them.
"""

from collections.abc import Iterable

from core.files import read_json, write_json
from core.stored import Value
from tasks.state.workspace import Workspace


class StepUsage(Value):
    """What a step used, over all its attempts; zero in everything is a step that has not begun."""

    wall: float = 0.0
    """Seconds that it ran."""
    cpu: float = 0.0
    """Seconds of processor time, of this process and of those that it waited for."""
    gpu: float = 0.0
    """Seconds of training, sampling and judging, times the number of GPUs."""
    sampled: int = 0
    """Tokens of answers."""
    trained: int = 0
    """Tokens that a gradient was computed of, once per gradient step."""
    memory: int = 0
    """Peak of the process's resident memory, in bytes. If an earlier step had a higher one, the highest seen at a
    report of this step. Of several processes that train together, that of the one that needs most, or of the first."""
    gpu_memory: int = 0
    """Peak of the tensors on the GPU, in bytes."""
    machine: str | None = None
    """Host name of the worker that ran it last; None if the process of the round did."""

    def plus(self, other: "StepUsage") -> "StepUsage":
        """Both together: sums, the higher peaks, and the later machine."""
        return StepUsage(
            wall=self.wall + other.wall,
            cpu=self.cpu + other.cpu,
            gpu=self.gpu + other.gpu,
            sampled=self.sampled + other.sampled,
            trained=self.trained + other.trained,
            memory=max(self.memory, other.memory),
            gpu_memory=max(self.gpu_memory, other.gpu_memory),
            machine=other.machine or self.machine,
        )

    def without(self, counted: "StepUsage") -> "StepUsage":
        """What was used beside what is counted already: differences, and the same peaks."""
        return self.model_copy(
            update={
                "wall": self.wall - counted.wall,
                "cpu": self.cpu - counted.cpu,
                "gpu": self.gpu - counted.gpu,
                "sampled": self.sampled - counted.sampled,
                "trained": self.trained - counted.trained,
            }
        )


def total(usages: Iterable[StepUsage]) -> StepUsage:
    """All together."""
    together = StepUsage()
    for usage in usages:
        together = together.plus(usage)
    return together


def read(workspace: Workspace) -> dict[str, StepUsage]:
    """By step, in the order in which they began; empty before the first."""
    path = workspace.usage
    if not path.exists():
        return {}
    return {step: StepUsage.from_json(value, str(path)) for step, value in read_json(path).items()}


def note(workspace: Workspace, step: str, usage: StepUsage) -> None:
    """Store what a step has used so far, atomically."""
    usages = {**read(workspace), step: usage}
    write_json(workspace.usage, {name: used.to_json() for name, used in usages.items()})
