"""The waits of the open round for people, with start and deadline, stored on disk for all processes.

Imports neither torch nor Prefect, so that the state of a wait is read quickly.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Literal, Self

from core.stored import Stored, Value
from tasks.state import records
from tasks.state import round as rounds
from tasks.state.workspace import Workspace

What = Literal["votes", "approval"]
KINDS: tuple[What, ...] = ("votes", "approval")


class VotesNeeded(Value):
    """The number of votes that a round waits for."""

    votes: int


class Candidate(Value):
    """The candidate that a person has to approve."""

    key: str
    """The round's key."""
    candidate: str
    """SHA-256 (hex) of its weights."""


class Wait(Stored):
    """One wait of one round."""

    what: What
    round: int
    opened: str
    """When the round was opened. A reopened round starts a new wait."""
    since: str
    until: str
    """UTC times, ISO 8601."""
    about: VotesNeeded | Candidate
    """The number of votes, or the candidate."""
    ended: str | None = None
    """When the round continued; nothing is accepted after that."""
    flow_run: str | None = None
    """Id of the Prefect run that is suspended for it."""

    @property
    def past(self) -> bool:
        """True if the deadline has passed."""
        return datetime.now(UTC) >= datetime.fromisoformat(self.until)

    @property
    def deadline(self) -> str:
        """The deadline as text, to the minute."""
        return f"{datetime.fromisoformat(self.until):%Y-%m-%d %H:%M} UTC"


class WaitingForPeople(Exception):
    """Not an error: the round has to wait for people, and releases its locks and resources meanwhile."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(f"round {wait.round} waits for {wait.what}")
        self.wait = wait

    def __reduce__(self) -> tuple[type[Self], tuple[Wait]]:
        return type(self), (self.wait,)


def begin(workspace: Workspace, what: What, seconds: float, about: VotesNeeded | Candidate) -> Wait:
    """Begin a wait. If it has begun already, the existing wait with its deadline is returned."""
    if existing := of(workspace, what):
        return existing
    start = datetime.now(UTC).replace(microsecond=0)
    until = start + timedelta(seconds=seconds)
    number, opened = rounds.read(workspace).number, rounds.circumstances(workspace).at
    wait = Wait(what=what, round=number, opened=opened, since=start.isoformat(), until=until.isoformat(), about=about)
    _write(workspace, wait)
    return wait


def of(workspace: Workspace, what: What) -> Wait | None:
    """The wait of the most recently opened round, ended or not; None if it has not begun."""
    path = workspace.wait(what)
    if not path.exists() or not workspace.opened.exists():
        return None
    wait = Wait.load(path)
    current = (rounds.read(workspace).number, rounds.circumstances(workspace).at)
    return wait if (wait.round, wait.opened) == current else None


def now(workspace: Workspace) -> Wait | None:
    """The current wait of the open round; None if no round is open, or the open one does not wait."""
    if not records.unfinished(workspace):
        return None
    waits = [wait for what in KINDS if (wait := of(workspace, what)) and not wait.ended]
    return waits[0] if waits else None


def end(workspace: Workspace, wait: Wait) -> None:
    """End a wait, because the round continues. Call it inside `changing`, so that no acknowledged vote is missed."""
    _write(workspace, wait.model_copy(update={"ended": datetime.now(UTC).isoformat(timespec="seconds")}))


def suspend(workspace: Workspace, wait: Wait, flow_run: str) -> None:
    """Record the Prefect run that is suspended for the wait."""
    with changing(workspace):
        _write(workspace, (of(workspace, wait.what) or wait).model_copy(update={"flow_run": flow_run}))


@contextmanager
def changing(workspace: Workspace) -> Iterator[None]:
    """Hold the lock that excludes other votes, approvals and continuations while the block runs."""
    workspace.waiting.mkdir(parents=True, exist_ok=True)
    with workspace.waiting_lock.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(workspace: Workspace, wait: Wait) -> None:
    wait.save(workspace.wait(wait.what))
