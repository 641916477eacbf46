"""One `rounds up`: the services of a workspace from the first start to the end of the last process."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from core import descendants
from core.errors import RoundsError
from tasks.services import orphans, ports, record
from tasks.services.record import RunningServices
from tasks.services.service import GRACE, Service
from tasks.services.supervision import Stopped, Supervisor, stopping
from tasks.state.lock import holding
from tasks.state.workspace import Workspace

LOCK = 2.0
"""Seconds to wait for the lock: `rounds down` and `doctor` hold it for a moment when they look at it."""

KEEPERS = 60.0
"""Seconds to wait for the keepers of a `rounds up` that was killed."""


class OnlyLinux(RoundsError):
    """`rounds up` on a system that does not tie processes to another one."""


class Host(NamedTuple):
    """What `rounds up` runs, and whom it tells about it."""

    services: Sequence[Service]
    exports: dict[str, str]
    postgresql: bool
    prepare: Callable[[], None]
    """Called before the first service is started, when it is certain that no other process serves the workspace."""
    answers: Callable[[Service], None]
    """Called with each service that answers."""
    ready: Callable[[Mapping[str, str]], None]
    """Called when all do, with the title of each that cannot be used → what is wrong with it."""


def run(workspace: Workspace, host: Host) -> None:
    """Run the services until they are to be ended: by Ctrl-C, SIGTERM, or `rounds down`. Then nothing is left of them.

    Raises:
        RoundBusy: they run already.
        NotEnding: what a killed one has left does not end.
        PortTaken: see `tasks.services.ports.check`; nothing was started.
        ServiceFailed: a service did not start, or ended; all others were ended.
        OnlyLinux: the system is not Linux.
    """
    if sys.platform != "linux":
        raise OnlyLinux("rounds up needs Linux; start the servers as docs/operations.md describes")
    with holding(workspace.services_lock, "rounds up", LOCK), stopping() as stop:
        mark = orphans.new_mark()
        _end_killed(workspace, host, mark)
        ports.check(host.services)
        host.prepare()
        descendants.adopt_orphans()

        def note(ready: bool) -> None:
            _note(workspace, host, (mark,), supervisor.keepers, ready)

        supervisor = Supervisor(workspace.service_log, stop, lambda: note(False))
        try:
            note(False)  # before the first process has the mark
            for service in host.services:
                supervisor.start(replace(service, env=orphans.marked(service.env, mark)))
                host.answers(service)
            note(True)
            host.ready(supervisor.problems(host.services))
            supervisor.watch()
        except Stopped:
            return
        finally:
            supervisor.end()
            descendants.end_children(GRACE)  # what a keeper that was killed has left
            record.forget(workspace)


def _end_killed(workspace: Workspace, host: Host, mark: str) -> None:
    """End what is left of a `rounds up` that was killed; killed meanwhile, this one leaves its marks to the next."""
    killed = record.last(workspace)
    if killed:
        _note(workspace, host, (mark, *killed.marks), (), False)
        record.wait_for_keepers(killed, KEEPERS)
        record.end_orphans(workspace, killed)
    record.forget(workspace)


def _note(workspace: Workspace, host: Host, marks: tuple[str, ...], keepers: Sequence[int], ready: bool) -> None:
    known = RunningServices(
        process=record.process_id(os.getpid()),
        keepers=tuple(map(record.process_id, keepers)),
        ready=ready,
        links={service.title: service.link for service in host.services if service.link},
        exports=host.exports,
        postgresql=host.postgresql,
        marks=marks,
    )
    record.write(workspace, known)
