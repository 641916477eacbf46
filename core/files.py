"""Whole files or none: write beside the target, then rename; and digests of what was written."""

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

_LEFT = re.compile(r"\.(?P<target>.+)\.(old|\w{8}\.draft)")
"""What `replacing` names the old folder, and the folder that it drafts in."""


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path to write a file or folder to, that becomes `target` when the block ends well.

    Killed or failed anywhere, the old target stays as it was. A folder is replaced by two renames (there is no
    atomic swap of folders), with the old one kept until the new one stands; `settle` repairs a kill in between.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    settle(target)
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


def settle(target: Path) -> None:
    """Undo what a kill inside `replacing` left behind: drafts go, a folder set aside comes back."""
    if _old(target).exists():
        if target.exists():
            shutil.rmtree(_old(target))
        else:
            _old(target).rename(target)
    for draft in target.parent.glob(f".{target.name}.*.draft"):
        shutil.rmtree(draft, ignore_errors=True)


def write_text(target: Path, text: str) -> None:
    """Write a whole text file, or leave the old one."""
    with replacing(target) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(target: Path, value: Any) -> None:
    """Write a whole JSON file, readable, keys in the order given."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        Damaged: it is not whole.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Damaged(f"{path} is not whole: {error}") from error


def sweep(folder: Path) -> None:
    """Undo in a whole folder what kills inside `replacing` left behind. For when nobody writes there."""
    for left in list(folder.rglob(".*")):
        if named := _LEFT.fullmatch(left.name):
            settle(left.parent / named["target"])


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
    """SHA-256 (hex) of a file, or of a folder's relative names and contents."""
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
    """Flush to disk before the rename, so that a power cut cannot leave a named but empty file."""
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
