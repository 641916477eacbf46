"""Which process runs the services of a workspace, and where they answer: data/services/up.json."""

import os
import signal
import time
from contextlib import suppress

from core.descendants import started
from core.errors import Damaged, RoundsError
from core.files import write_json
from core.stored import Stored, Value
from tasks.services import orphans
from tasks.services.service import GRACE
from tasks.state.lock import holder
from tasks.state.workspace import Workspace

_PAUSE = 0.1
"""Seconds between two looks at processes that end."""


class NotEnding(RoundsError):
    """Services that are to be ended are still there."""


class ProcessId(Value):
    """A process, told from a later one with the same number."""

    number: int
    started: int
    """Clock ticks between the start of the machine and that of the process."""

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return started(self.number) == self.started


class RunningServices(Stored):
    """The content of `data/services/up.json`."""

    process: ProcessId
    """`rounds up`."""
    keepers: tuple[ProcessId, ...]
    ready: bool
    """Whether all services answer."""
    links: dict[str, str]
    """Title of a service → its address."""
    exports: dict[str, str]
    """Environment variables of the services' clients, without the feedback database."""
    postgresql: bool
    """Whether ROUNDS_POSTGRESQL was set."""
    marks: tuple[str, ...] = ()
    """Of this session, and of killed ones before it whose processes may still be there; see `orphans`."""


def process_id(number: int) -> ProcessId:
    """The identity of a process that runs. One that has just ended is none of any."""
    return ProcessId(number=number, started=started(number) or 0)


def write(workspace: Workspace, record: RunningServices) -> None:
    """Store who runs the services."""
    write_json(workspace.services_record, record.to_json())


def forget(workspace: Workspace) -> None:
    """Remove the record, as nothing runs any more."""
    workspace.services_record.unlink(missing_ok=True)


def running(workspace: Workspace) -> RunningServices | None:
    """Who runs the services now; None if nobody does, or `rounds up` has only just been started."""
    return last(workspace) if holder(workspace.services_lock) else None


def last(workspace: Workspace) -> RunningServices | None:
    """Who runs the services, or was killed while it did; None after an orderly end."""
    with suppress(FileNotFoundError, Damaged):
        return RunningServices.load(workspace.services_record)
    return None


def end(workspace: Workspace, patience: float) -> bool:
    """End the services of a workspace, and wait until every process of them is gone; False if there were none.

    What is left of a `rounds up` that was killed together with its keepers is ended too.

    Args:
        workspace: the workspace.
        patience: seconds to wait.

    Raises:
        NotEnding: they did not end in time, or another machine or container runs them.
    """
    record, held = last(workspace), holder(workspace.services_lock)
    if record is None:
        if held:
            raise NotEnding(f"{held} has only just been started; try again in a few seconds")
        return False
    if held:
        _request(workspace, record)
    deadline = time.monotonic() + patience
    while holder(workspace.services_lock) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    _check_released(workspace, record, patience)
    if not wait_for_keepers(record, patience) and (left := [each for each in record.keepers if each.alive]):
        numbers = " ".join(str(keeper.number) for keeper in left)
        raise NotEnding(
            f"services of {workspace.root} have not ended within {patience:.0f} s; run `kill -9 {numbers}`, which "
            "kills the processes that run them, and them with these"
        )
    return end_orphans(workspace, record) or bool(held)


def end_orphans(workspace: Workspace, record: RunningServices) -> bool:
    """End what killed keepers have left; False if there was nothing.

    Raises:
        NotEnding: processes do not end although they were killed.
    """
    found = orphans.end(record.marks, GRACE)
    if left := orphans.running(record.marks):
        numbers = ", ".join(map(str, left))
        raise NotEnding(
            f"processes {numbers} of the services of {workspace.root} were killed and have not ended: the kernel holds "
            "them, mostly for a disk that does not answer; check the disk, then try again"
        )
    return found


def _check_released(workspace: Workspace, record: RunningServices, patience: float) -> None:
    """Raise NotEnding if somebody runs services. A number that another process has now is never named as one to kill.

    Args:
        workspace: the workspace.
        record: who ran them when the end was requested.
        patience: seconds that have passed since.
    """
    now = holder(workspace.services_lock)
    if now and not record.process.alive:
        raise NotEnding(
            f"{now} has started the services of {workspace.root} meanwhile; type `rounds down` again to end these"
        )
    if now:
        raise NotEnding(
            f"process {record.process.number} was asked {patience:.0f} s ago to end the services of {workspace.root}, "
            f"and has not; run `kill -9 {record.process.number}`: its services then end without it"
        )


def wait_for_keepers(record: RunningServices, patience: float) -> bool:
    """Wait until keepers have ended their services, and the ports are free; False if they have not in time."""
    deadline = time.monotonic() + patience
    while any(keeper.alive for keeper in record.keepers):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True


def _request(workspace: Workspace, record: RunningServices) -> None:
    """Send SIGTERM to `rounds up`, and to no later process of its number."""
    try:
        handle = os.pidfd_open(record.process.number)
    except ProcessLookupError:
        handle = None
    try:
        if handle is None or not record.process.alive:
            if holder(workspace.services_lock) is None:
                return
            raise NotEnding(
                f"process {record.process.number} runs the services of {workspace.root} on another machine or in "
                "another container; type `rounds down` there"
            )
        signal.pidfd_send_signal(handle, signal.SIGTERM)
    finally:
        if handle is not None:
            os.close(handle)
