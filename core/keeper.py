"""Runs one service, and ends every process below it when the program that started the keeper ends, however it ends.

    python -m core.keeper LOG GRACE COMMAND…

Standard input is a pipe: its end says that the parent is gone, also after SIGKILL. Then, on SIGTERM, and when the
service itself ends, all descendants of the keeper get SIGTERM, and after GRACE seconds SIGKILL. Output of the service
goes to LOG. The exit status is the service's: its own, or 128 and the number of the signal that ended it.

Imports nothing but Python, so that it starts in a few hundredths of a second.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import BinaryIO

from core.descendants import adopt_orphans, end_children, end_with_parent
from core.log_file import LogFile

NOT_FOUND = 127
"""Exit status if the command cannot be started, as a shell reports it."""

_TO_END = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_BLOCK = 65536
"""Bytes of output that are read at a time."""


def keep(command: Sequence[str], log: LogFile, grace: float) -> int:
    """Run a service until it ends or the keeper is asked to end it; the exit status of the service.

    Args:
        command: the program and its arguments.
        log: where the output of the service goes.
        grace: seconds between SIGTERM and SIGKILL.
    """
    adopt_orphans()
    signal.pthread_sigmask(signal.SIG_BLOCK, {*_TO_END, signal.SIGCHLD})  # before threads start, which inherit it
    log.write(f"--- {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC: {Path(command[0]).name} starts\n".encode())
    try:
        service = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=_prepare_service,
        )
    except OSError as error:
        log.write(f"{error}\n".encode())
        return NOT_FOUND
    assert service.stdout is not None
    copying = Thread(target=_copy, args=(service.stdout, log), daemon=True)
    copying.start()
    Thread(target=_end_with_pipe, daemon=True).start()
    status = _wait(service.pid)
    service.returncode = status or 0  # waited for here, or below
    end_children(grace)
    copying.join(timeout=grace)  # nobody is left who could write
    return 128 - status if status is not None and status < 0 else status or 0


def _prepare_service() -> None:
    """The service is killed if the keeper is, and gets the signals that a program gets by default."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored in what a shell started in the background
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _wait(service: int) -> int | None:
    """Wait until the service has ended; its exit status, or less than 0 for a signal. None if it is to be ended."""
    while signal.sigwait({*_TO_END, signal.SIGCHLD}) == signal.SIGCHLD:
        while True:  # one signal may stand for several children
            number, status = os.waitpid(-1, os.WNOHANG)
            if number == service:
                return os.waitstatus_to_exitcode(status)
            if number == 0:
                break
    return None


def _end_with_pipe() -> None:
    while os.read(0, _BLOCK):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _copy(output: BinaryIO, log: LogFile) -> None:
    while block := os.read(output.fileno(), _BLOCK):
        log.write(block)


if __name__ == "__main__":
    _log, _grace, *_command = sys.argv[1:]
    sys.exit(keep(_command, LogFile(Path(_log)), float(_grace)))
