"""Ctrl-C ends the process in time: first as an exception, so that files are closed, then whatever still runs.

A terminal sends SIGINT to every process of a command at once, at any moment: while packages are imported, in a library
that catches the exception, or while the process ends. Everything that a round writes is safe against a kill.
"""

import atexit
import os
import signal
import sys
import time
from threading import Thread
from types import FrameType, TracebackType

GRACE = 2.0
"""Seconds between Ctrl-C and the end of the process, whatever it does."""

STATUS = 128 + signal.SIGINT
"""Exit status after Ctrl-C, as a shell reports it: 130."""


_INTERRUPTED: list[int] = []
"""The signals that have arrived."""


def end_in_time() -> None:
    """From now on Ctrl-C ends this process within `GRACE` seconds, with `STATUS`; a second one ends it at once.

    A process that ignores Ctrl-C, as a shell starts those in the background, still ignores it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return
    signal.signal(signal.SIGINT, _interrupt)
    sys.excepthook = _without_traceback
    atexit.register(_leave_if_interrupted)  # the first one runs last


def interrupted() -> bool:
    """Whether Ctrl-C has arrived. An error after that is its consequence, also where a library has renamed it."""
    return bool(_INTERRUPTED)


def _without_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error that nothing has caught, unless it is an interrupt: where that arrived is of no interest."""
    if not (issubclass(kind, KeyboardInterrupt) or interrupted()):
        sys.__excepthook__(kind, error, trace)


def _leave_if_interrupted() -> None:
    """The exit status of a process that was interrupted while it ended."""
    if _INTERRUPTED:
        _leave()


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, lambda *_: _leave())
    _INTERRUPTED.append(number)
    try:
        Thread(target=_leave_later, daemon=True).start()
    except RuntimeError:  # the interpreter is shutting down
        _leave()
    raise KeyboardInterrupt


def _leave_later() -> None:
    time.sleep(GRACE)
    _leave()


def _leave() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(STATUS)
