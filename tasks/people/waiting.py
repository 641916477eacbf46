"""What the open round waits for people to do: since when, until when. On disk, so that any process keeps the deadline.

Kept light on purpose: whoever asks how a wait stands must not wait for torch or Prefect.
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


class Wanted(Value):
    """How many votes a round waits for."""

    votes: int


class Candidate(Value):
    """The candidate that a person has to sign."""

    key: str
    """The round's key."""
    candidate: str
    """SHA-256 (hex) of its weights."""


class Wait(Stored):
    """One wait of one round."""

    what: What
    round: int
    opened: str
    """When the round was opened: opened anew, it waits anew."""
    since: str
    until: str
    """UTC times, ISO 8601."""
    about: Wanted | Candidate
    """What people need to know of it."""
    ended: str | None = None
    """When the round went on; nothing is taken in after that."""
    flow_run: str | None = None
    """The run of Prefect's that is suspended for it."""

    @property
    def past(self) -> bool:
        """True where the time is up."""
        return datetime.now(UTC) >= datetime.fromisoformat(self.until)

    @property
    def deadline(self) -> str:
        """The end of the time, for people."""
        return f"{datetime.fromisoformat(self.until):%Y-%m-%d %H:%M} UTC"


class WaitingForPeople(Exception):
    """Not an error: a round cannot go on before people have done something, and lets go of all that it holds."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(f"round {wait.round} waits for {wait.what}")
        self.wait = wait

    def __reduce__(self) -> tuple[type[Self], tuple[Wait]]:
        return type(self), (self.wait,)


def begin(workspace: Workspace, what: What, seconds: float, about: Wanted | Candidate) -> Wait:
    """Begin to wait; begun before, it is the same wait with the same deadline."""
    if known := of(workspace, what):
        return known
    start = datetime.now(UTC).replace(microsecond=0)
    until = start + timedelta(seconds=seconds)
    number, opened = rounds.read(workspace).number, rounds.circumstances(workspace).at
    wait = Wait(what=what, round=number, opened=opened, since=start.isoformat(), until=until.isoformat(), about=about)
    _write(workspace, wait)
    return wait


def of(workspace: Workspace, what: What) -> Wait | None:
    """The wait of the round that was opened last, whether it has ended or not; None where it has not come to it."""
    path = workspace.wait(what)
    if not path.exists() or not workspace.opened.exists():
        return None
    wait = Wait.load(path)
    here = (rounds.read(workspace).number, rounds.circumstances(workspace).at)
    return wait if (wait.round, wait.opened) == here else None


def now(workspace: Workspace) -> Wait | None:
    """What the open round waits for; None where no round is open, or the open one waits for nobody."""
    if not records.unfinished(workspace):
        return None
    waits = [wait for what in KINDS if (wait := of(workspace, what)) and not wait.ended]
    return waits[0] if waits else None


def end(workspace: Workspace, wait: Wait) -> None:
    """The round goes on. Call it inside `changing`: what was acknowledged before is seen after."""
    _write(workspace, wait.model_copy(update={"ended": datetime.now(UTC).isoformat(timespec="seconds")}))


def suspend(workspace: Workspace, wait: Wait, flow_run: str) -> None:
    """Note the run of Prefect's that is suspended for it."""
    with changing(workspace):
        _write(workspace, (of(workspace, wait.what) or wait).model_copy(update={"flow_run": flow_run}))


@contextmanager
def changing(workspace: Workspace) -> Iterator[None]:
    """Keep others from voting, signing, or going on while the block runs."""
    workspace.waiting.mkdir(parents=True, exist_ok=True)
    with workspace.waiting_lock.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(workspace: Workspace, wait: Wait) -> None:
    wait.save(workspace.wait(wait.what))
