"""Atomic writes of files and folders (write beside the target, then rename), recovery after a crash, and digests."""

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import Damaged

_LEFTOVER = re.compile(r"\.(?P<target>.+)\.(old|\w{8}\.draft)")
"""Names of temporary folders that `replacing` leaves after a kill: the old target, and drafts."""

_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a write fails with on a full disk, beyond a quota, or beyond the limit of a file's size."""


@contextmanager
def named(target: Path) -> Iterator[None]:
    """Add the path to an error of a full disk: writing to an open file raises one without a path."""
    try:
        yield
    except OSError as error:
        if error.errno in _OF_WRITING and error.filename is None:
            error.filename = str(target)
        raise


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a path to write a file or folder to. It becomes `target` when the block ends without an error.

    After an error inside the block, or a kill before the rename, the old target is unchanged. A folder cannot be
    replaced atomically and takes two renames: the old folder is deleted only after both, and `recover` restores it
    after a kill between them.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    recover(target)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".draft", dir=target.parent)) / target.name
    try:
        with named(target):
            yield draft
            _sync(draft)
        if target.is_dir():
            target.rename(_old(target))
        draft.rename(target)
        shutil.rmtree(_old(target), ignore_errors=True)
    finally:
        shutil.rmtree(draft.parent, ignore_errors=True)


def recover(target: Path) -> None:
    """Clean up after a kill inside `replacing`: delete drafts, and restore the old folder if the target is missing."""
    if _old(target).exists():
        if target.exists():
            shutil.rmtree(_old(target))
        else:
            _old(target).rename(target)
    for draft in target.parent.glob(f".{target.name}.*.draft"):
        shutil.rmtree(draft, ignore_errors=True)


def write_text(target: Path, text: str) -> None:
    """Write a text file atomically (UTF-8)."""
    with replacing(target) as draft:
        draft.write_text(text, encoding="utf-8")


def create_text(target: Path, text: str) -> bool:
    """Write a text file that does not exist yet, atomically; False if another process created it: that one stays."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=target.parent, prefix=f".{target.name}.", encoding="utf-8") as draft:
        draft.write(text)
        draft.flush()
        os.fsync(draft.fileno())
        try:
            os.link(draft.name, target)
        except FileExistsError:
            return False
    return True


def write_json(target: Path, value: Any) -> None:
    """Write an indented JSON file atomically, with keys in the given order.

    Raises:
        ValueError: a number is infinite or NaN.
    """
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        Damaged: the file is not valid JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Damaged(f"{path} is damaged, not valid JSON: {error}; restore it from a backup") from error


def recover_all(folder: Path) -> None:
    """Call `recover` for every target below `folder`. No other process may be writing there."""
    for _, target in leftovers(folder):
        recover(target)


def leftovers(folder: Path) -> list[tuple[Path, Path]]:
    """The temporary folders below `folder` that kills inside `replacing` left, each with its target."""
    found = [(path, _LEFTOVER.fullmatch(path.name)) for path in sorted(folder.rglob(".*"))]
    return [(path, path.parent / match["target"]) for path, match in found if match]


def unwritable(folder: Path) -> str | None:
    """The reason why `folder` cannot be created or written to; None if it can. Leaves no file behind.

    Tested by creating a temporary file: permission bits do not reveal read-only disks, and do not restrict root.
    """
    nearest = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return None
    except OSError as error:
        return f"{nearest}: {error.strerror}"


def digest(path: Path) -> str:
    """SHA-256 (hex) of a file, or of the relative paths, sizes and contents of all files in a folder."""
    sha = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        if path.is_dir():
            sha.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                sha.update(block)
    return sha.hexdigest()


def _old(target: Path) -> Path:
    return target.parent / f".{target.name}.old"


def _sync(path: Path) -> None:
    """Flush to disk before the rename; otherwise a power failure could leave an empty file under the final name."""
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
