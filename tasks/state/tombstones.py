"""Tombstones: which annotators are forgotten, since when, and on whose word. Rounds that open later leave them out.

The file names an annotator by the SHA-256 of the id. Lines are only ever added; a tombstone is never lifted.
"""

import fcntl
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from core.errors import Damaged
from core.files import write_text
from core.stored import Value
from feedback.forgotten import pseudonym
from tasks.state.workspace import Workspace


class Tombstone(Value):
    """One line of the file."""

    annotator: str
    """SHA-256 (hex) of the id."""
    at: str
    """UTC time, ISO 8601."""
    by: str
    why: str
    rounds: tuple[int, ...]
    """The rounds that had ingested feedback of the annotator."""
    voted: tuple[int, ...] = ()
    """The rounds that had counted fresh votes of the annotator."""
    purged: bool = False
    """True for the line that is added once every place in the workspace is purged."""


class Forgotten(NamedTuple):
    """All tombstones of one annotator."""

    rounds: tuple[int, ...]
    voted: tuple[int, ...]
    since: str | None
    """The time of the first tombstone; None without one."""


def read(workspace: Workspace) -> list[Tombstone]:
    """All tombstones, oldest first; empty if nobody was forgotten.

    Raises:
        Damaged: a line is not a tombstone.
    """
    if not workspace.tombstones.exists():
        return []
    lines = workspace.tombstones.read_bytes().splitlines()
    return [_parsed(workspace, number, line) for number, line in enumerate(lines, start=1)]


def forgotten(workspace: Workspace) -> tuple[str, ...]:
    """SHA-256 of the ids of all forgotten annotators, sorted."""
    return tuple(sorted({stone.annotator for stone in read(workspace)}))


def is_forgotten(workspace: Workspace, annotator: str) -> bool:
    """Whether an annotator, by id, is forgotten. The file is read again only after it has changed.

    Raises:
        Damaged: a line is not a tombstone.
    """
    try:
        found = workspace.tombstones.stat()
    except FileNotFoundError:
        return False
    return pseudonym(annotator) in _forgotten(workspace, (found.st_ino, found.st_mtime_ns, found.st_size))


@lru_cache(8)
def _forgotten(workspace: Workspace, state: tuple[int, int, int]) -> frozenset[str]:
    return frozenset(forgotten(workspace))


def about(workspace: Workspace, annotator: str) -> Forgotten:
    """What the tombstones record about one annotator, by id."""
    stones = [stone for stone in read(workspace) if stone.annotator == pseudonym(annotator)]
    rounds = {number for stone in stones for number in stone.rounds}
    voted = {number for stone in stones for number in stone.voted}
    return Forgotten(tuple(sorted(rounds)), tuple(sorted(voted)), stones[0].at if stones else None)


def add(
    workspace: Workspace,
    annotator: str,
    by: str,
    why: str,
    rounds: tuple[int, ...],
    voted: tuple[int, ...],
    purged: bool = False,
) -> Tombstone:
    """Add a tombstone for an annotator, by id; it is on disk when this returns."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    name = pseudonym(annotator)
    stone = Tombstone(annotator=name, at=at, by=by, why=why, rounds=rounds, voted=voted, purged=purged)
    with workspace.tombstones_lock.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = workspace.tombstones.read_text(encoding="utf-8") if workspace.tombstones.exists() else ""
        write_text(workspace.tombstones, before + stone.model_dump_json() + "\n")
    return stone


def _parsed(workspace: Workspace, number: int, line: bytes) -> Tombstone:
    try:
        return Tombstone.model_validate_json(line)
    except ValueError as error:
        raise Damaged(
            f"{workspace.tombstones}:{number} is not a tombstone, so it is unknown whose feedback must be left out; "
            "restore the file from a backup"
        ) from error
