"""Errors of the operating system that a user can mend: a full disk, a read-only one, files of another user."""

import errno
from collections.abc import Iterator
from shutil import Error as CopyError

from core.errors import Unwritable

CURES = {
    errno.ENOSPC: "free some space, then type the command again",
    errno.EDQUOT: "free some space or raise the quota, then type the command again",
    errno.EFBIG: "raise the limit of the size of a file (`ulimit -f`), then type the command again",
    errno.EROFS: "its disk is mounted read-only: only commands that read work there",
    errno.EACCES: "let this user write there, or work as its owner",
    errno.EPERM: "let this user write there, or work as its owner",
}
"""Error number → what to do about it."""

TEXTS = {
    errno.ENOSPC: "No space left on device",
    errno.EROFS: "Read-only file system",
    errno.EACCES: "Permission denied",
}
"""How the errors read in the message of a library that keeps only the text."""


def explained(error: BaseException) -> Unwritable | None:
    """The error in one sentence with its cure; None if it is of another kind, or a bug.

    Looks through the errors that caused it.
    """
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno in CURES:
            where = cause.filename or cause.filename2 or "a file"
            return Unwritable(f"{where} cannot be written ({cause.strerror}); {CURES[cause.errno]}")
        if isinstance(cause, CopyError):  # of a folder: a list of source, target and reason, as texts
            for number, text in TEXTS.items():
                if text in str(cause):
                    return Unwritable(f"files cannot be copied ({text}); {CURES[number]}")
    return None


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, the one that caused it, and so on."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
