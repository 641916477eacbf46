"""Atomic writes of files and folders (write beside the target, then rename), recovery after a crash, and digests."""

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
"""Names of the old folder that `replacing` sets aside, and of its draft folder."""


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a path to write a file or folder to. It becomes `target` when the block ends without an error.

    After a kill or an error at any point, the old target is unchanged. A folder is replaced by two renames (there is
    no atomic swap of folders): the old one is deleted only when the new one is in its place, and `recover` repairs a
    kill between the two.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    recover(target)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".draft", dir=target.parent)) / target.name
    try:
        yield draft
        _sync(draft)
        if target.is_dir():
            target.rename(_old(target))
        draft.rename(target)
        shutil.rmtree(_old(target), ignore_errors=True)
    finally:
        shutil.rmtree(draft.parent, ignore_errors=True)


def recover(target: Path) -> None:
    """Clean up after a kill inside `replacing`: delete drafts, and rename an old folder that was set aside back."""
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


def write_json(target: Path, value: Any) -> None:
    """Write an indented JSON file atomically, keys in the order given.

    Raises:
        ValueError: a number is infinite or not a number.
    """
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        Damaged: it is not valid JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Damaged(f"{path} is damaged, not valid JSON: {error}") from error


def recover_all(folder: Path) -> None:
    """`recover` every target below a folder. Call it only while nothing else writes there."""
    for leftover in list(folder.rglob(".*")):
        if match := _LEFTOVER.fullmatch(leftover.name):
            recover(leftover.parent / match["target"])


def unwritable(folder: Path) -> str | None:
    """Why the folder cannot be made, or no file in it; None where both can. Leaves nothing behind.

    It is tried: permissions do not tell of read-only disks, and say nothing to root.
    """
    nearest = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return None
    except OSError as error:
        return f"{nearest}: {error.strerror}"


def digest(path: Path) -> str:
    """SHA-256 (hex) of a file, or of the relative names and the contents of a folder's files."""
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
    """Flush to disk before the rename: otherwise a power cut could leave an empty file under the final name."""
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
