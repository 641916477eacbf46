"""How much faster is an iteration of PPO on two ranks? Rollout, scoring and updates, and what the sums take.

    python -m benchmarks.scale [--shapes .3M 6M 30M] [--times 3]

Each rank has one thread. One process and two take turns; each runs an iteration to warm up and one that is measured,
with the same prompts and random numbers. For a sum, waiting for the other rank and sending are measured apart. Full
fine-tuning, float32. Writes results/scale.{json,md}.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor, distributed

from benchmarks.memory import CASES, make
from core.files import write_json, write_text
from models import launching, ranks
from models.algorithms.ppo import PPO
from models.compute import Compute
from models.engines.local import LocalEngine
from models.launching import LaunchSettings
from models.measured import POLICY_TIME_ROLLOUT, POLICY_TIME_SCORE, POLICY_TIME_TRAIN
from models.policy import Policy
from models.tokens import Batch
from tasks.state.workspace import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"
PARTS = {"rollout": POLICY_TIME_ROLLOUT, "score": POLICY_TIME_SCORE, "update": POLICY_TIME_TRAIN}
SIZES = {".3M": 128, "6M": 64, "30M": 32, ".1B": 16}
"""Answers of an iteration."""
PROMPT, ANSWER = 32, 32
"""Tokens. The weights are random, so that hardly any answer ends before the limit."""


class Iteration(NamedTuple):
    """Seconds of one iteration on one rank."""

    shape: str
    processes: int
    rollout: float
    score: float
    update: float
    waiting: float
    """For the other rank, before sums."""
    sending: float
    """Of the sums."""

    @property
    def total(self) -> float:
        """Of the whole iteration."""
        return self.rollout + self.score + self.update


class Sums:
    """Measures the sums over ranks."""

    def __init__(self) -> None:
        self.waiting = self.sending = 0.0
        self._reduce = distributed.all_reduce
        ranks.distributed.all_reduce = self  # type: ignore[attr-defined]  # of a module

    def __call__(self, tensor: Tensor) -> None:
        """As `all_reduce`."""
        start = time.perf_counter()
        distributed.barrier()
        met = time.perf_counter()
        self._reduce(tensor)
        self.waiting += met - start
        self.sending += time.perf_counter() - met


def length(batch: Batch) -> Tensor:
    """A reward that takes no time."""
    return batch.response.sum(1).float()


def measured(shape: str, processes: int, base: Path) -> Iteration:
    """The second of two iterations, in this process."""
    torch.set_num_threads(1)
    case, count = CASES[shape], SIZES[shape]
    policy, reference = (Policy.load(base, Compute(microbatch_tokens=case.microbatch)) for _ in range(2))
    prompts = torch.randint(5, 200, (count, PROMPT), generator=torch.Generator().manual_seed(0)).tolist()
    seen: list[Mapping[str, float]] = []
    sums: list[tuple[float, float]] = [(0.0, 0.0)]
    meter = Sums() if processes > 1 else None

    def log(metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        seen.append(metrics)
        sums.append((meter.waiting, meter.sending) if meter else (0.0, 0.0))

    knobs = PPO(steps=2, episodes=count, minibatch=count // 2, epochs=1)
    knobs.train(LocalEngine(policy, reference, length), prompts, ANSWER, log=log)
    parts = {name: seen[-1][metric] for name, metric in PARTS.items()}
    waiting, sending = (after - before for before, after in zip(sums[-2], sums[-1], strict=True))
    return Iteration(shape, processes, **parts, waiting=waiting, sending=sending)


def launched(shape: str, processes: int) -> Iteration:
    """An iteration of the first of some ranks."""
    heard: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "base", CASES[shape].config)
        arguments = [shape, str(processes), folder]
        launching.launch(
            LaunchSettings(processes=processes), "benchmarks.scale_rank", arguments, Path(folder), heard.append
        )
    return Iteration(**json.loads(heard[-1]))


def rank(arguments: Sequence[str]) -> None:
    """The program of a rank."""
    shape, processes, folder = arguments
    result = measured(shape, int(processes), Path(folder) / "base")
    if ranks.current().first:
        launching.report(Path(folder), result._asdict())


def report(found: Sequence[Iteration]) -> str:
    """Medians of seconds, and of the ratio of pairs with its smallest and largest, as Markdown."""
    heads = ("shape", "ranks", "rollout s", "score s", "update s", "iteration s", "waiting s", "sending s", "speed")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for shape in dict.fromkeys(each.shape for each in found):
        one, two = ([each for each in found if (each.shape, each.processes) == (shape, count)] for count in (1, 2))
        ratios = [a.total / b.total for a, b in zip(one, two, strict=True)]
        for count, side in ((1, one), (2, two)):
            columns = zip(*((e.rollout, e.score, e.update, e.total, e.waiting, e.sending) for e in side), strict=True)
            speed = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if count == 2 else "1"
            cells = [shape, str(count), *(f"{median(column):.2f}" for column in columns), speed]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, write the results."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--shapes", nargs="+", choices=SIZES, default=[".3M", "6M", "30M"])
    options.add_argument("--times", type=int, default=3)
    chosen = options.parse_args()
    found = [launched(shape, count) for shape in chosen.shapes for _ in range(chosen.times) for count in (1, 2)]
    text = report(found)
    print(text)
    facts = f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()} CPU, one thread a rank, gloo on one machine, load "
    facts += f"{os.getloadavg()[0]:.1f}, torch {torch.__version__}"
    command = "python -m benchmarks.scale"
    about = (
        "One iteration of PPO with full fine-tuning in float32: prompts and answers of 32 tokens each (answers "
        f"{', '.join(f'{shape}: {SIZES[shape]}' for shape in chosen.shapes)}), two minibatches. *Speed* is the time of "
        "one rank divided by that of two, as median and range of the pairs."
    )
    write_text(
        RESULTS / "scale.md", f"# An iteration of PPO on two ranks\n\n{facts}; `{command}`\n\n{about}\n\n{text}\n"
    )
    write_json(
        RESULTS / "scale.json", {"facts": facts, "command": command, "iterations": [each._asdict() for each in found]}
    )


if __name__ == "__main__":
    main()
