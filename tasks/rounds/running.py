"""A running round: each step is skipped if it is done, else run, logged and recorded."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from core import outages
from core.errors import BadFeedback, BadModel, BadParams, RoundsError, StepFailed
from core.log import Log, ignore
from tasks.registry.alias import Registry
from tasks.rounds import placement
from tasks.rounds.metering import UsageMeter
from tasks.rounds.placed import run
from tasks.state import metric_points
from tasks.state import round as rounds
from tasks.state.prices import prices
from tasks.state.reports import note_time
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.steps import Step
from tasks.tools import tracking
from tasks.tools.tracking import RoundRun
from tasks.tools.versioning import DataGraph

Show = Callable[[str, str], Log]
"""Takes a title and the step whose metrics will be logged; returns a log that displays progress under the title."""


def silent(title: str, step: str) -> Log:
    """Show nothing."""
    return ignore


SHOW: ContextVar[Show] = ContextVar("show", default=silent)
"""How progress is displayed. Not a parameter of the flow, because deployments cannot pass functions."""

Execute = Callable[[Step, Round, StepLog], None]
"""Runs a step: `tasks.rounds.placed.run`, or the same inside a Prefect task."""


MEMORY_KNOBS = {
    "sft": ("sft.batch", "model.max_answer_tokens"),
    "reward": ("reward.batch", "model.max_prompt_tokens"),
    "policy": ("policy.minibatch", "policy.sampling.batch", "model.max_answer_tokens"),
    "sample": ("policy.sampling.batch", "model.max_answer_tokens"),
    "evaluate": ("sample.prompts", "model.max_answer_tokens"),
}
"""Step → the knobs that its need of memory grows with."""


class RunningRound:
    """One round between opening and record. Calling it with a step runs the step."""

    def __init__(self, round: Round, registry: Registry, execute: Execute = run) -> None:
        self.round = round
        self._execute = execute
        self.registry = registry
        self.key = rounds.key(round.workspace, rounds.code_digest())
        self.data = DataGraph(round.workspace.root)
        self.prices = prices(round.workspace)
        metric_points.begin(round.workspace.metrics, self.key)
        self.run = RoundRun.open(round.workspace.root, registry.line, f"round {round.number}", self._tags())
        self.run.params(round.values)
        self._show = SHOW.get()

    def __call__(self, step: Step) -> None:
        """Run a step, unless it is done.

        Raises:
            RoundsError: the step's own error, or that of a full disk, with round, step and cure added.
            StepFailed: any other error, with step, reason and the command that continues the round.
        """
        name = step.__name__
        with self.explaining(f"step {name}"):
            if self.data.done(name):
                self.show(name)({}, 0, 0)
            else:
                self._run(step)

    def show(self, what: str) -> Log:
        """Display what the round is doing now: a step, or its closing."""
        return self._show(f"round {self.round.number}, {what}", what)

    def _run(self, step: Step) -> None:
        name, start = step.__name__, time.perf_counter()
        child = self.run.step(name)
        log = StepLog([child, self.show(name)])
        meter = UsageMeter(self.round.workspace, name, log)
        log.add(meter)
        try:
            self._execute(step, self.round, log)
            # noted here and after recording, which takes time too: a kill in between must not lose the step's time
            self._note_time(name, time.perf_counter() - start, log.learning_seconds)
            self.data.record(name)
        except Exception:
            child.close("FAILED")
            self.run.give_up()
            raise
        finally:
            meter.note()
        self._note_time(name, time.perf_counter() - start, log.learning_seconds)
        if place := placement.of(self.round, name):
            child.tags({"work_pool": place.pool, "machine": (log.elsewhere and log.elsewhere.machine) or "none"})
        child.close("FINISHED")

    def deliver(self) -> None:
        """Send metrics of steps that MLflow has not received, because it was unreachable or the round was killed.

        Raises:
            MlflowException: MLflow is still unreachable.
        """
        for step in metric_points.steps(self.round.workspace.metrics):
            self.run.deliver(step)

    @contextmanager
    def explaining(self, what: str) -> Iterator[None]:
        """Add to any error in the block where it happened and what to do about it."""
        try:
            yield
        except Exception as error:
            raise self._explained(what, error) from error

    def _note_time(self, step: str, wall: float, learning: float) -> None:
        note_time(self.round, step, wall, learning)

    def _explained(self, what: str, error: Exception) -> RoundsError:
        where = f"round {self.round.number}, {what}"
        cure = "Finished steps are kept; continue with `rounds round`."
        if isinstance(error, BadFeedback | BadModel | BadParams):
            # continuing would read the same frozen inputs
            cure = "The round's inputs are frozen: correct them, then start again with `rounds round --reopen`."
        if _is_out_of_memory(error):
            return StepFailed(f"{where}: {_out_of_memory(what, error)}")
        if not isinstance(error, RoundsError):
            error = tracking.full_disk(error, self.round.workspace.root) or outages.explained(error) or error
        if isinstance(error, RoundsError):
            return type(error)(f"{where}: {error}\n{cure}")
        return StepFailed(f"{where}: {type(error).__name__}: {tracking.without_statement(str(error))}\n{cure}")

    def _tags(self) -> dict[str, str]:
        opened = rounds.circumstances(self.round.workspace)
        tags = {
            "round": str(self.round.number),
            "round_key": self.key,
            "code": opened.code,
            "line": self.registry.line.name,
        }
        champion = self.round.champion
        origin = {"parent": self.round.parent or "none", "champion": champion.version if champion else "none"}
        git = {"git_commit": opened.commit or "none", "git_dirty": str(opened.dirty).lower()}
        return {**tags, **origin, **git}


def _out_of_memory(what: str, error: Exception) -> str:
    knobs = " or ".join(MEMORY_KNOBS.get(what.removeprefix("step "), ("model.max_answer_tokens",)))
    reason = f"{type(error).__name__}: {error}".partition("\n")[0]
    return (
        f"the memory is used up ({reason})\nFree memory and continue with `rounds round`, or lower {knobs} in "
        "params.yaml and start again with `rounds round --reopen`."
    )


def _is_out_of_memory(error: Exception) -> bool:
    """Whether Python, the processor's allocator or the GPU's had no memory left. torch is not imported for that."""
    texts = ("can't allocate memory", "not enough memory", "out of memory")
    of_torch = type(error).__name__ == "OutOfMemoryError" or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in texts)
    )
    return isinstance(error, MemoryError) or of_torch
