"""The audit log: one line a change, each line naming the hash of the line before it.

The chain shows a line that was edited, removed or moved. A side file with the hash of the newest line shows a tail
that was cut off. No secret is involved: whoever rewrites the log *and* its side file from some line on is not found
out here, only by comparing with a copy kept elsewhere.
"""

import fcntl
import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from core.errors import Damaged
from core.files import read_json, recover, write_json
from tasks.state import records
from tasks.state.workspace import Workspace

Facts = dict[str, Any]
"""What a line says besides, by the kind of its event."""

_NOTHING = "0" * 64  # what the first line follows


class AuditEntry(NamedTuple):
    """One line of the log."""

    seq: int
    at: str
    """UTC time, ISO 8601."""
    event: str
    who: str
    facts: Facts
    previous: str
    """SHA-256 (hex) of the line before, without its newline; zeros for the first."""


class _Head(NamedTuple):
    seq: int
    sha256: str


def append(path: Path, event: str, who: str, **facts: Any) -> AuditEntry:
    """Add one line, on disk when this returns. A half-written last line, left by a kill, goes to `<path>.torn`.

    A log that was damaged is continued after the line that its side file names, so that the damage stays visible.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        _set_torn_aside(log, path)
        before = _tip(_lines(log.read()), _head(path))
        entry = AuditEntry(before.seq + 1, datetime.now(UTC).isoformat(), event, who, facts, before.sha256)
        line = json.dumps(entry._asdict(), ensure_ascii=False).encode()
        log.write(line + b"\n")
        log.flush()
        os.fsync(log.fileno())
        # After the line, never before: a kill in between leaves a head one line behind, which `_tip` understands.
        write_json(_head_file(path), _Head(entry.seq, _sha256(line))._asdict())
    return entry


def mend(path: Path) -> None:
    """Clear what a kill left beside the log while the side file was written."""
    if path.exists():
        with path.open("rb") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            recover(_head_file(path))


def read(path: Path) -> list[AuditEntry]:
    """All lines that can be read, oldest first. `verify` tells of the others."""
    entries = [_parse(line) for line in _lines(path.read_bytes())] if path.exists() else []
    return [entry for entry in entries if entry is not None]


def verify(path: Path) -> list[str]:
    """What is wrong with the log, one sentence a problem: lines edited, removed, moved or cut off. Empty: sound.

    Raises:
        Damaged: the side file is not whole.
    """
    lines, head = _still(path)
    problems = []
    previous = _NOTHING
    for number, line in enumerate(lines, start=1):
        entry = _parse(line)
        if entry is None:
            problems.append(f"{path}:{number}: no entry of an audit log")
        elif (entry.seq, entry.previous) != (number, previous):
            problems.append(f"{path}:{number}: does not follow the line before it: a line was edited, removed or moved")
        previous = _sha256(line)
    return problems + _tail_problems(path, lines, head)


def missing(workspace: Workspace) -> list[str]:
    """Promotions on record that the log does not mention, one sentence each: lines and side file were removed."""
    logged = {entry.facts.get("now") for entry in read(workspace.audit)}
    rounds = [records.read(workspace, number) for number in records.numbers(workspace)]
    promoted = [record for record in rounds if record.verdict.result == "promote"]
    return [
        f"{workspace.audit}: no line tells how version {record.version} of round {record.number} became champion"
        for record in promoted
        if record.version not in logged
    ]


def _still(path: Path) -> tuple[list[bytes], _Head]:
    """The lines and the newest of them on record, at one moment: nobody appends between the two looks."""
    if not path.exists():
        return [], _head(path)
    with path.open("rb") as log:
        fcntl.flock(log, fcntl.LOCK_SH)
        return _lines(log.read()), _head(path)


def _tail_problems(path: Path, lines: list[bytes], head: _Head) -> list[str]:
    if len(lines) < head.seq:
        return [f"{path}: ends after line {len(lines)}, but line {head.seq} was written: lines were removed"]
    if len(lines) > head.seq + 1:  # one line ahead is what a kill leaves
        return [f"{path}: has {len(lines)} lines, but {_head_file(path).name} knows of {head.seq}"]
    if head.seq and _sha256(lines[head.seq - 1]) != head.sha256:
        return [f"{path}:{head.seq}: not the line that was written: it was edited"]
    return []


def _tip(lines: list[bytes], head: _Head) -> _Head:
    """What the next line follows: the newest line, or the one on record where the log is shorter or was edited."""
    return _Head(len(lines), _sha256(lines[-1])) if len(lines) > head.seq else head


def _set_torn_aside(log: BinaryIO, path: Path) -> None:
    log.seek(0)
    whole, newline, torn = log.read().rpartition(b"\n")
    if torn:
        with path.with_name(path.name + ".torn").open("ab") as aside:
            aside.write(torn + b"\n")
            aside.flush()
            os.fsync(aside.fileno())
        log.truncate(len(whole + newline))
    log.seek(0)


def _lines(content: bytes) -> list[bytes]:
    """The whole lines; what follows the last newline was never finished."""
    return content.split(b"\n")[:-1]


def _parse(line: bytes) -> AuditEntry | None:
    try:
        return AuditEntry(**json.loads(line))
    except (ValueError, TypeError):
        return None


def _head(path: Path) -> _Head:
    file = _head_file(path)
    if not file.exists():
        return _Head(0, _NOTHING)
    match read_json(file):
        case {"seq": int(seq), "sha256": str(sha256)} if seq >= 0:
            return _Head(seq, sha256)
    raise Damaged(f"{file} does not say which line is the newest; restore it and {path.name} from a backup")


def _head_file(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def _sha256(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
