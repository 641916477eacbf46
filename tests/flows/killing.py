"""A program for tests: rounds in processes of their own, some of which kill themselves at a given moment.

Torch, MLflow and DVC are imported once, then each job is forked from here. Prefect has no part in it: a step is the
same function without it, and starting it for every job would take most of the time.

A moment is one of

    begins STEP         before the step does anything
    learns STEP         at the second report of its learning
    ended STEP          when its outputs stand, before they are recorded
    cuts STEP           while its record is written into dvc.lock
    onto PATH           before PATH of the workspace is replaced by what was written beside it
    before|after CALL   beside a call that changes the registry
    full STEP           never, but the disk is full from the step's beginning on
    never
"""

import importlib
import os
import resource
import signal
import sys
import traceback
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, cast

from flows.round import bootstrap, improve
from tasks import opening
from tasks.registry import Registry
from tasks.round import Round
from tasks.running import Running
from tasks.step import Step
from tasks.steplog import StepLog
from tasks.workspace import Workspace, at
from tests.profile import PROMOTE, TINY
from tests.tasks.promoting import KilledAt, status

WARM = ("mlflow.store.tracking.sqlalchemy_store", "dvc.repo", "evaluate", "sklearn.linear_model", "matplotlib.figure")
"""What a round imports late."""


def die() -> NoReturn:
    """The end, without goodbye."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


class Mortal(Running):
    """A round that dies at its moment, and keeps a diary of the steps that it began."""

    def __init__(self, running: Running, moment: str) -> None:
        super().__init__(running.round, running.registry)
        self._moment = moment

    def __call__(self, step: Step) -> None:
        """Run a step, unless it is done."""
        super().__call__(cast(Step, Bare(step, self._moment)))


class Bare:
    """A step without Prefect."""

    def __init__(self, step: Step, moment: str) -> None:
        self.name = step.name
        self._function = step.fn
        self._moment = moment

    def __call__(self, round: Round, log: StepLog) -> None:
        """Do the step's work, up to the moment."""
        with diary(round.workspace).open("a", encoding="utf-8") as pages:
            pages.write(f"{self.name}\n")
        self._at("begins")
        if self._moment == f"full {self.name}":
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # may be a file, and is not on that disk
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        self._function(round, StepLog([log, self._listen]))
        self._at("ended")
        if self._moment == f"cuts {self.name}":
            sys.addaudithook(partial(_cut, round.workspace.root / "dvc.lock"))

    def _listen(self, metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        if step == 1:
            self._at("learns")

    def _at(self, point: str) -> None:
        if self._moment == f"{point} {self.name}":
            die()


def diary(place: Workspace) -> Path:
    """The steps that were begun, a line each."""
    return place.root / "diary.txt"


def failure(place: Workspace) -> Path:
    """Why the last job failed."""
    return place.root / "failure.txt"


def work(root: Path, moment: str) -> None:
    """Run the next round of a workspace, or go on with the open one, up to the moment."""
    place = at(root)
    _watch_renames(place, moment)
    running = Mortal(opening.start(place, [*TINY, PROMOTE]), moment)
    _watch_calls(running.registry, moment)
    if running.round.number == 0:
        bootstrap(running)
    else:
        improve(running)


def _watch_renames(place: Workspace, moment: str) -> None:
    point, _, path = moment.partition(" ")

    def watch(event: str, details: tuple[Any, ...]) -> None:
        if event == "os.rename" and Path(os.fsdecode(details[1])) == place.root / path:
            die()

    if point == "onto":
        sys.addaudithook(watch)


def _cut(file: Path, event: str, details: tuple[Any, ...]) -> None:
    """What DVC leaves when it is killed as it begins to write: an empty file."""
    if event == "open" and str(details[1]).startswith("w") and Path(os.fsdecode(details[0])).absolute() == file:
        os.close(os.open(file, os.O_CREAT | os.O_TRUNC | os.O_WRONLY))
        die()


def _watch_calls(registry: Registry, moment: str) -> None:
    point, _, method = moment.partition(" ")
    if point in ("before", "after"):
        killer: Any = KilledAt(registry.store, point, method)
        registry.store = registry._journal._store = killer


def forked(root: Path, moment: str) -> int:
    """The id of a process that works and ends, with the traceback of what it could not do."""
    pid = os.fork()
    if pid == 0:
        try:
            work(root, moment)
            os._exit(0)
        except Exception as error:
            failure(at(root)).write_text(f"{type(error).__name__}: {error}")
            traceback.print_exc(limit=-3, chain=False)
            os._exit(1)
    return pid


def main() -> None:
    """Read `ROOT=MOMENT` line by line; work on each in a process of its own, and print how that ended."""
    for module in WARM:
        importlib.import_module(module)
    for line in sys.stdin:
        root, _, moment = line.rstrip("\n").partition("=")
        print(status(forked(Path(root), moment)), flush=True)


if __name__ == "__main__":
    main()
