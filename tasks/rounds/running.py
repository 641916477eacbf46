"""A round that runs: each step is skipped where it is done, else run, logged and recorded."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from core.errors import BadFeedback, BadModel, BadParams, RoundsError, StepFailed
from core.log import Log, ignore
from tasks.registry.alias import Registry
from tasks.state import reported
from tasks.state import round as rounds
from tasks.state.reports import note_time
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.steps import Step, run
from tasks.tools.tracking import RoundRun
from tasks.tools.versioning import DataGraph

Show = Callable[[str], Log]
"""Given a step's name, something that shows how far it is."""


def silent(step: str) -> Log:
    """Show nothing."""
    return ignore


SHOW: ContextVar[Show] = ContextVar("show", default=silent)
"""Who watches. Not a parameter of the flow: a deployment could not be given a function."""

Execute = Callable[[Step, Round, StepLog], None]
"""Runs a step: `tasks.steps.run`, or the same inside a Prefect task."""


class RunningRound:
    """One round between its opening and its record. Called with a step, it runs the step."""

    def __init__(self, round: Round, registry: Registry, execute: Execute = run) -> None:
        self.round = round
        self._execute = execute
        self.registry = registry
        self.key = rounds.key(round.workspace, rounds.code_digest())
        self.data = DataGraph(round.workspace.root)
        reported.begin(round.workspace.metrics, self.key)
        self.run = RoundRun.open(round.workspace.root, f"round {round.number}", self._tags())
        self.run.params(round.values)
        self._show = SHOW.get()

    def __call__(self, step: Step) -> None:
        """Run a step, unless it is done.

        Raises:
            RoundsError: what a person can cure, as the step said it.
            StepFailed: anything else; names the step, the reason and the command that continues it.
        """
        name = step.__name__
        with self.explaining(f"step {name}"):
            if self.data.done(name):
                self._show(name)({}, 0, 0)
            else:
                self._run(step)

    def _run(self, step: Step) -> None:
        name, start = step.__name__, time.perf_counter()
        child = self.run.step(name)
        log = StepLog([child, self._show(name)])
        try:
            self._execute(step, self.round, log)
            # noted twice: recording takes time too, but a kill right after it must not cost the step its time
            self._note_time(name, time.perf_counter() - start, log.learning_seconds)
            self.data.record(name)
        except Exception:
            child.close("FAILED")
            self.run.give_up()
            raise
        self._note_time(name, time.perf_counter() - start, log.learning_seconds)
        child.close("FINISHED")

    def deliver(self) -> None:
        """Send what MLflow has not heard of the steps yet, because it was away or a kill came in between.

        Raises:
            MlflowException: it is still away.
        """
        for step in reported.steps(self.round.workspace.metrics):
            self.run.deliver(step)

    @contextmanager
    def explaining(self, what: str) -> Iterator[None]:
        """Give any error of the block the place where it happened, and what to do about it."""
        try:
            yield
        except Exception as error:
            raise self._explained(what, error) from error

    def _note_time(self, step: str, wall: float, learning: float) -> None:
        note_time(self.round, step, wall, learning)

    def _explained(self, what: str, error: Exception) -> RoundsError:
        where = f"round {self.round.number}, {what}"
        cure = "What was finished is kept; continue with `rounds round`."
        if isinstance(error, BadFeedback | BadModel | BadParams):
            # continuing would read the same frozen inputs again
            cure = "The round's inputs are frozen: cured, it starts anew with `rounds round --reopen`."
        if isinstance(error, RoundsError):
            return type(error)(f"{where}: {error}\n{cure}")
        return StepFailed(f"{where}: {type(error).__name__}: {error}\n{cure}")

    def _tags(self) -> dict[str, str]:
        opened = rounds.circumstances(self.round.workspace)
        tags = {"round": str(self.round.number), "round_key": self.key, "code": opened.code}
        champion = self.round.champion
        origin = {"parent": self.round.parent or "none", "champion": champion.version if champion else "none"}
        git = {"git_commit": opened.commit or "none", "git_dirty": str(opened.dirty).lower()}
        return {**tags, **origin, **git}
