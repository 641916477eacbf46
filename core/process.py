"""What every process of Rounds sets first: private files, log records without control characters, loopback addresses.

A process is a command, a flow run on a worker, or a step that `dvc repro` starts; its children inherit the first and
the last.
"""

import logging
import sys
import traceback
from types import TracebackType
from typing import Any

from core.interrupts import interrupted
from core.private import make_new_files_private
from core.proxies import exempt_loopback
from core.shown import shown


class ShownRecord(logging.LogRecord):
    """A log record with its message and traceback as they are shown, for whichever handler: terminal, file, Prefect."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if isinstance(self.exc_info, tuple) and self.exc_info[0] is not None:
            self.exc_text = shown("".join(traceback.format_exception(*self.exc_info))).rstrip("\n")

    def getMessage(self) -> str:
        """The message with its arguments."""
        return shown(super().getMessage())


def prepare(records: type[ShownRecord] | None = None) -> None:
    """Prepare this process. Calling it again changes nothing.

    Args:
        records: the class of log records; by default the one of an earlier call, or `ShownRecord`.
    """
    make_new_files_private()
    exempt_loopback()
    before = logging.getLogRecordFactory()
    if records or not (isinstance(before, type) and issubclass(before, ShownRecord)):
        logging.setLogRecordFactory(records or ShownRecord)
    sys.excepthook = _print_traceback


def _print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The traceback of a bug, which quotes what the error is about; where an interrupt arrived is of no interest."""
    if issubclass(kind, KeyboardInterrupt) or interrupted():
        return
    sys.stderr.write(shown("".join(traceback.format_exception(kind, error, trace))))
