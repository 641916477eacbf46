"""Starts services one after another, each under a keeper; watches them, and ends all of them together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar

from core import interrupts
from core.errors import RoundBusy, RoundsError
from core.log_file import tail
from tasks.services.service import Service
from tasks.state.lock import holding
from tasks.state.workspace import PROJECT

LINES = 20
"""Lines of a log that a message quotes."""

LOCK = 120.0
"""Seconds to wait for a lock that a service needs for its start."""

SETTLING = 20.0
"""Seconds for a service that answers to become usable, such as for an attempt to open its database again."""

_PAUSE = 0.2
"""Seconds between two looks at the services."""

Answer = TypeVar("Answer")

_STEP_LIMIT = 300.0
"""Seconds for the command that follows a service."""


class ServiceFailed(RoundsError):
    """A service of `rounds up` did not start, or ended by itself."""


class Stopped(Exception):
    """Ending was requested while services were starting."""


@dataclass(frozen=True)
class Kept:
    """A program that runs under a keeper."""

    title: str
    log: Path
    keeper: "subprocess.Popen[bytes]"

    def end(self) -> None:
        """Let the keeper end everything below it, and wait for that."""
        assert self.keeper.stdin is not None
        self.keeper.stdin.close()
        self.keeper.wait()

    def failed(self, what: str) -> ServiceFailed:
        """The error that something is wrong with it, with the end of its log."""
        lines = "".join(f"\n    {line}" for line in tail(self.log, LINES))
        return ServiceFailed(f"the {self.title} {what}; correct what its log says, then start again: {self.log}{lines}")


class Supervisor:
    """The services of one `rounds up`.

    Args:
        log: name of a service → its log.
        stop: set when everything is to be ended.
        changed: called when a service was started, before it answers.
    """

    def __init__(self, log: Callable[[str], Path], stop: Event, changed: Callable[[], None] = lambda: None) -> None:
        self._log = log
        self._stop = stop
        self._changed = changed
        self._kept: list[Kept] = []

    @property
    def keepers(self) -> list[int]:
        """The process ids of the keepers."""
        return [kept.keeper.pid for kept in self._kept]

    def start(self, service: Service) -> None:
        """Start a service, wait until it answers, and run the command that follows it.

        Raises:
            ServiceFailed: a service ended, did not answer in time, or the command failed.
            Stopped: everything is to be ended; at once, whatever the service is doing.
            RoundBusy: another process holds the service's lock.
        """
        self._check_stop()
        with self._locked(service):
            kept = self._start(service, service.name, service.title, service.command)
            self._kept.append(kept)
            self._changed()
            self._wait(kept, service)
        if service.then:
            self._run(service)

    def problems(self, services: Sequence[Service]) -> dict[str, str]:
        """Title of each service that does not become usable within `SETTLING` seconds → what is wrong with it.

        Raises:
            ServiceFailed: a service ended.
            Stopped: everything is to be ended.
        """
        deadline, found = time.monotonic() + SETTLING, {}
        for service in services:
            if service.state is None:
                continue
            while (problem := self._asked(service.state.problem)) and time.monotonic() < deadline:
                self._look()
            if problem:
                found[service.title] = problem
        return found

    def watch(self) -> None:
        """Return when everything is to be ended.

        Raises:
            ServiceFailed: a service ended.
        """
        with suppress(Stopped):
            while True:
                self._look()

    def end(self) -> None:
        """End all services, the last one first."""
        while self._kept:
            self._kept.pop().end()

    def _wait(self, kept: Kept, service: Service) -> None:
        deadline = time.monotonic() + service.limit
        while not self._asked(service.ready.answered):
            self._look()
            if time.monotonic() > deadline:
                raise kept.failed(f"did not answer at {service.ready.url} within {service.limit:.0f} s")

    @contextmanager
    def _locked(self, service: Service) -> Iterator[None]:
        """Hold the service's lock, if it has one, while the block runs."""
        deadline = time.monotonic() + LOCK
        with ExitStack() as stack:
            while service.lock:
                try:
                    stack.enter_context(holding(service.lock, f"the first start of the {service.title}"))
                    break
                except RoundBusy:
                    if time.monotonic() > deadline:
                        raise
                self._look()
            yield

    def _asked(self, question: Callable[[], Answer]) -> Answer:
        """The answer to a question, which a thread asks: it may take seconds, and a stop does not wait for it."""
        answers: list[Answer] = []
        asking = Thread(target=lambda: answers.append(question()), daemon=True)
        asking.start()
        while asking.is_alive():
            asking.join(_PAUSE)
            self._check_stop()
        return answers[0]

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _run(self, service: Service) -> None:
        step = self._start(service, f"{service.name}-settings", f"settings of the {service.title}", service.then)
        deadline = time.monotonic() + _STEP_LIMIT
        try:
            while step.keeper.poll() is None:
                self._look()
                if time.monotonic() > deadline:
                    raise step.failed(f"were not applied within {_STEP_LIMIT:.0f} s")
            if step.keeper.returncode:
                raise step.failed("were not applied")
        finally:
            step.end()

    def _look(self) -> None:
        """Look at every service, and wait a moment."""
        for kept in self._kept:
            if (status := kept.keeper.poll()) is not None:
                raise kept.failed(f"ended with exit status {status}")
        if self._stop.wait(_PAUSE):
            raise Stopped

    def _start(self, service: Service, name: str, title: str, command: Sequence[str]) -> Kept:
        """Start a command of the service under a keeper."""
        log = self._log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as stream:
            keeper = subprocess.Popen(
                [sys.executable, "-m", "core.keeper", str(log), str(service.grace), *command],
                cwd=PROJECT,  # Prefect reads the server's settings from pyproject.toml of the current folder
                env=service.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=stream,
                start_new_session=True,  # Ctrl-C is for this process, which ends the services in order
            )
        return Kept(title, log, keeper)


@contextmanager
def stopping() -> Iterator[Event]:
    """While the block runs, Ctrl-C, SIGTERM and the end of the terminal set the event; a second signal ends at once.

    The keepers then end the services without this process.
    """
    stop = Event()

    def request(number: int, frame: object) -> None:
        if stop.is_set():
            os._exit(interrupts.STATUS)
        stop.set()

    kinds = [kind for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if _heeded(kind)]
    before = {kind: signal.signal(kind, request) for kind in kinds}
    try:
        yield stop
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _heeded(kind: signal.Signals) -> bool:
    """False for a signal that the shell told this process to ignore: Ctrl-C in the background, SIGHUP with `nohup`."""
    return signal.getsignal(kind) is not signal.SIG_IGN
