"""A program for tests: rounds in processes of their own, some of which kill themselves at a given moment.

Torch, MLflow and DVC are imported once, then each job is forked from here. Prefect has no part in it: a step is the
same function without it, and starting it for every job would take most of the time.

A moment is one of

    begins STEP         before the step does anything
    learns STEP         at the second report of its learning
    ended STEP          when its outputs stand, before they are recorded
    cuts STEP           when its record is written, before it replaces dvc.lock
    recorded STEP       when its record stands, before MLflow hears that it ended
    onto PATH           before PATH of the workspace is replaced by what was written beside it
    past PATH           after that, before what lies beside it is cleared away
    tears PATH          when PATH is opened for writing; an empty file stays
    into FOLDER         when the third file in FOLDER is opened for writing
    before|after CALL   beside a call that changes the registry
    SECONDS in PHASE    by the clock, from outside, at the latest when the phase ends: `opening`, a step or `closing`
    full STEP           never, but the disk is full from the step's beginning on
    brim STEP           never, but the disk is full from the step's end on
    full closing        never, but the disk is full from the last step's record on
    never
"""

import importlib
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, cast

from flows.round import bootstrap, improve
from tasks.registry.alias import Registry
from tasks.rounds import opening
from tasks.rounds.running import RunningRound
from tasks.state import records
from tasks.state.choosing import at
from tasks.state.identity import EMBEDDED_SALT
from tasks.state.lock import holding
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import Workspace
from tasks.steps import Step
from tests.profile import PROMOTE, TINY
from tests.tasks.registry.promoting import KilledAt, status

WARM = ("mlflow.store.tracking.sqlalchemy_store", "dvc.repo", "evaluate", "sklearn.linear_model", "matplotlib.figure")
"""Modules that a round imports late."""

ENDED = "."
"""Suffix of a step's name in the diary once the step is recorded."""

Tell = Callable[[str], None]
"""Callback with the name of each phase that begins."""


def die() -> NoReturn:
    """The end, without goodbye."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


def fill_the_disk() -> None:
    """From now on no file grows beyond 1000 bytes: what a disk without room comes to, with no need for a disk."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # may be a file, and is not on that disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


class Mortal(RunningRound):
    """A round that dies at its moment, and keeps a diary of the steps that it began and finished."""

    def __init__(self, running: RunningRound, moment: str, tell: Tell) -> None:
        super().__init__(running.round, running.registry)
        self._moment = moment
        self._tell = tell
        self._noted = ""

    def __call__(self, step: Step) -> None:
        """Run a step, unless it is done."""
        self._tell(step.__name__)
        super().__call__(cast(Step, Bare(step, self._moment)))
        if step.__name__ == "verdict":
            self._tell("closing")
            if self._moment == "full closing":
                fill_the_disk()

    def _note_time(self, step: str, wall: float, learning: float) -> None:
        super()._note_time(step, wall, learning)
        if self._noted == step:  # the second time it is recorded, too
            note(self.round.workspace, f"{step}{ENDED}")
            if self._moment == f"recorded {step}":
                die()
        self._noted = step


class Bare:
    """A step that dies at its moment."""

    def __init__(self, step: Step, moment: str) -> None:
        self.__name__ = step.__name__
        self._function = step
        self._moment = moment

    def __call__(self, round: Round, log: StepLog) -> None:
        """Do the step's work, up to the moment."""
        note(round.workspace, self.__name__)
        self._at("begins")
        if self._moment == f"full {self.__name__}":
            fill_the_disk()
        self._function(round, StepLog([log, self._listen]))
        self._at("ended")
        if self._moment == f"brim {self.__name__}":
            fill_the_disk()
        if self._moment == f"cuts {self.__name__}":
            sys.addaudithook(partial(_onto, round.workspace.root / "dvc.lock"))

    def _listen(self, metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        if step == 1:
            self._at("learns")

    def _at(self, point: str) -> None:
        if self._moment == f"{point} {self.__name__}":
            die()


def diary(workspace: Workspace) -> Path:
    """A line for each step that was begun, and one, with a full stop, for each that was recorded as done."""
    return workspace.root / "diary.txt"


def note(workspace: Workspace, line: str) -> None:
    """Write a line into the diary."""
    with diary(workspace).open("a", encoding="utf-8") as pages:
        pages.write(f"{line}\n")


def phases(workspace: Workspace) -> Path:
    """How many seconds each phase of the last job took."""
    return workspace.root / "phases.json"


def failure(workspace: Workspace) -> Path:
    """Why the last job failed."""
    return workspace.root / "failure.txt"


def work(root: Path, moment: str, tell: Tell) -> None:
    """Run the next round of a workspace, or go on with the open one, up to the moment."""
    tell("opening")
    workspace = at(root, salt=EMBEDDED_SALT)
    _watch_files(workspace, moment)
    with holding(workspace.lock, f"round {records.coming(workspace)}"):
        running = Mortal(opening.start(workspace, [*TINY, PROMOTE]), moment, tell)
        _watch_calls(running.registry, moment)
        if running.round.number == 0:
            bootstrap(running)
        else:
            improve(running)


def _watch_files(workspace: Workspace, moment: str) -> None:
    point, _, name = moment.partition(" ")
    path = workspace.root / name
    opened = 0

    def past(event: str, details: tuple[Any, ...]) -> None:
        if event == "shutil.rmtree" and path.exists():
            left = Path(os.fsdecode(details[0]))
            if left.parent == path.parent and left.name.startswith(f".{path.name}."):
                die()

    def into(event: str, details: tuple[Any, ...]) -> None:
        nonlocal opened
        if event == "open" and isinstance(details[0], str) and _writes(details) and path in Path(details[0]).parents:
            opened += 1
            if opened == 3:
                die()

    watchers: dict[str, Callable[[str, tuple[Any, ...]], None]] = {
        "onto": partial(_onto, path),
        "past": past,
        "into": into,
        "tears": partial(_tears, path),
    }
    if point in watchers:
        sys.addaudithook(watchers[point])


def _writes(details: tuple[Any, ...]) -> bool:
    """True where a file is opened to be written."""
    return bool(details[2] & (os.O_WRONLY | os.O_RDWR))


def _onto(file: Path, event: str, details: tuple[Any, ...]) -> None:
    if event == "os.rename" and Path(os.fsdecode(details[1])).absolute() == file:
        die()


def _tears(file: Path, event: str, details: tuple[Any, ...]) -> None:
    """What DVC leaves when it is killed as it begins to write: an empty file."""
    if event != "open" or isinstance(details[0], int):  # a file that is open already
        return
    if str(details[1]).startswith("w") and Path(os.fsdecode(details[0])).absolute() == file:
        os.close(os.open(file, os.O_CREAT | os.O_TRUNC | os.O_WRONLY))
        die()


def _watch_calls(registry: Registry, moment: str) -> None:
    point, _, method = moment.partition(" ")
    if point in ("before", "after"):
        killer: Any = KilledAt(registry.store, point, method)
        registry.store = registry._journal._store = killer


def forked(root: Path, moment: str) -> int:
    """Work in a process of its own and say how it ended; it shows the traceback of what it could not do."""
    hearing, telling = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work(root, moment, partial(_tell, telling))
            os._exit(0)
        except Exception as error:
            failure(at(root)).write_text(f"{type(error).__name__}: {error}")
            traceback.print_exc(limit=-3, chain=False)
            os._exit(1)
    os.close(telling)
    listen(pid, hearing, root, moment)
    return status(pid)


def listen(pid: int, hearing: int, root: Path, moment: str) -> None:
    """Kill a job at its second of its phase, or when the phase is over; write down how long each phase took."""
    seconds, _, phase = moment.partition(" in ")
    began: list[tuple[str, float]] = []
    with os.fdopen(hearing, "rb", buffering=0) as lines:  # without a buffer, `select` sees the next line
        for line in lines:
            began.append((line.decode().strip(), time.monotonic()))
            if began[-1][0] == phase:
                select.select([lines], [], [], float(seconds))
                os.kill(pid, signal.SIGKILL)
    ends = [at for _, at in began[1:]] + [time.monotonic()]
    took = {name: end - start for (name, start), end in zip(began, ends, strict=True)}
    phases(Workspace(root)).write_text(json.dumps(took))


def _tell(pipe: int, phase: str) -> None:
    os.write(pipe, f"{phase}\n".encode())


def main() -> None:
    """Read `ROOT=MOMENT` line by line; work on each in a process of its own, and print how that ended."""
    for module in WARM:
        importlib.import_module(module)
    for line in sys.stdin:
        root, _, moment = line.rstrip("\n").partition("=")
        print(forked(Path(root), moment), flush=True)


if __name__ == "__main__":
    main()
