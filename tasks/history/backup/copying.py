"""Copies for backups: files with their digest and time, and SQLite databases while others write to them."""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from core.errors import BadWorkspace, Damaged, Unwritable
from core.files import digest

_PATIENCE = 60.0
"""Seconds to wait for a process that writes to the database."""


def copy_file(source: Path, target: Path) -> str:
    """Copy a file, readable for its owner only; it is on disk when this returns. Its time of modification is kept.

    Returns:
        the SHA-256 of what was copied.
    """
    make_folder(target.parent)
    sha = hashlib.sha256()
    facts = source.stat()
    with source.open("rb") as reading, _created(target) as writing:
        while block := reading.read(1 << 20):
            sha.update(block)
            writing.write(block)
        writing.flush()
        os.fsync(writing.fileno())
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))  # the order of the files in the inbox
    return sha.hexdigest()


def link_file(earlier: Path, source: Path, target: Path) -> bool:
    """Make `target` a hard link to `earlier`, a saved copy of `source`; False if the source is another file since."""
    with suppress(OSError):
        saved, now = earlier.stat(), source.stat()
        if (saved.st_size, saved.st_mtime_ns) == (now.st_size, now.st_mtime_ns):
            make_folder(target.parent)
            os.link(earlier, target)
            return True
    return False


def copy_database(source: Path, target: Path) -> str:
    """Copy an SQLite database as it is at one moment, also while other processes write to it; returns the SHA-256.

    Raises:
        Unwritable: the disk is full, or another process writes to it for a minute.
        Damaged: it is no database.
    """
    make_folder(target.parent)
    _created(target).close()
    uri = f"{source.resolve().as_uri()}?mode=ro"
    try:
        with (
            closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE)) as reading,
            closing(sqlite3.connect(target)) as writing,
        ):
            reading.backup(writing)
            writing.execute("pragma journal_mode=delete").close()  # one file, without a write-ahead log beside it
    except sqlite3.OperationalError as error:
        raise Unwritable(
            f"{source} cannot be copied to {target.parent} ({error}); free some space, or try again when no other "
            "process writes to it"
        ) from error
    except sqlite3.DatabaseError as error:
        raise Damaged(f"{source} cannot be copied ({error}); restore it from an earlier backup") from error
    return digest(target)


def make_folder(folder: Path) -> None:
    """Create a folder that only its owner can enter, with those above it."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700)


def check_space(folder: Path, size: int) -> None:
    """Check that the disk of a folder has room for `size` bytes.

    Raises:
        Unwritable: it has not.
    """
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(nearest).free
    if free < size:
        raise Unwritable(
            f"{size / 1e9:.1f} GB are needed at {nearest}, and {free / 1e9:.1f} GB are free; free some space, or "
            "name a folder on another disk"
        )


@contextmanager
def explaining(target: Path, origin: Path) -> Iterator[None]:
    """Turn an error of the operating system while `origin` is copied to `target` into one that has a cure.

    Raises:
        BadWorkspace: a file of `origin` cannot be read.
        Unwritable: `target` cannot be written.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if isinstance(error.filename, str) and Path(error.filename).is_relative_to(origin):
            raise BadWorkspace(
                f"{error.filename} cannot be read ({reason}), so nothing was written; make it readable, or remove it"
            ) from error
        raise Unwritable(
            f"{target} cannot be written ({reason}), and nothing was left there; free some space, or name a folder on "
            "another disk"
        ) from error


def _created(target: Path) -> BinaryIO:
    return os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
