"""The audit log: one line per change, each with the hash of the previous line.

The hash chain reveals lines that were edited, removed or moved. A side file (`<log>.head`) with the hash of the newest
line reveals a truncated log. No secret is involved: rewriting the log *and* its side file from some line on can be
detected only by comparing with a copy kept elsewhere.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from pydantic import Field

from core.errors import Damaged
from core.files import named, read_json, recover, write_json, write_text
from core.settings import BaseSettings
from core.shown import noted
from tasks.state.records import RoundRecord
from tasks.state.workspace import Workspace

Facts = dict[str, Any]
"""Further fields of a line; they depend on its event."""

_NO_LINE = "0" * 64  # hash before the first line


class AuditSettings(BaseSettings):
    """Signing the copy of the audit log in MLflow."""

    key: str | None = None
    """File with the Ed25519 private key (PEM) that signs the lines of this workspace; `rounds audit keygen` makes one.
    A relative path starts at the workspace. The key itself is never stored, logged or sent. `null` signs nothing."""
    trusted_keys: tuple[str, ...] = Field(())
    """Files with public keys (PEM). Lines that other workspaces signed with one of these keys count as verified."""


class AuditEntry(NamedTuple):
    """One line of the log."""

    seq: int
    at: str
    """UTC time, ISO 8601."""
    event: str
    who: str
    facts: Facts
    previous: str
    """SHA-256 (hex) of the previous line, without its newline; zeros for the first line."""


class _Head(NamedTuple):
    seq: int
    sha256: str


def append(path: Path, event: str, who: str, **facts: Any) -> AuditEntry:
    """Append one line; it is on disk when this returns. A half-written last line is moved to `<path>.torn`.

    Names and reasons are stored as notes (`core.shown.noted`): no secret and no control character gets into the log. A
    damaged log is continued after the line recorded in its side file, so that the damage stays detectable.
    """
    with _exclusive(path) as log:
        _move_torn_line(log, path)
        newest = _newest(_lines(log.read()), _head(path))
        facts = {name: noted(fact) if isinstance(fact, str) else fact for name, fact in facts.items()}
        entry = AuditEntry(newest.seq + 1, datetime.now(UTC).isoformat(), event, noted(who), facts, newest.sha256)
        line = _line(entry)
        log.write(line + b"\n")
        log.flush()
        os.fsync(log.fileno())
        # Written after the line: a kill in between leaves a head one line behind, which `_newest` handles.
        write_json(_head_file(path), _Head(entry.seq, sha256(line))._asdict())
    return entry


def repair(path: Path) -> None:
    """Remove temporary files left by a kill while the side file was written."""
    if path.exists():
        with path.open("rb") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            recover(_head_file(path))


def read(path: Path) -> list[AuditEntry]:
    """All valid lines, oldest first. `verify` reports the others."""
    entries = [parse(line) for line in _lines(path.read_bytes())] if path.exists() else []
    return [entry for entry in entries if entry is not None]


def lines(path: Path) -> list[bytes]:
    """The complete lines as they are on disk, without newlines; empty if there is no log."""
    return _lines(path.read_bytes()) if path.exists() else []


def chained(lines: Sequence[bytes]) -> bool:
    """True if these lines are a whole log: each follows the one before."""
    entries = [parse(line) for line in lines]
    previous = [_NO_LINE, *map(sha256, lines)]
    follow = enumerate(zip(entries, previous, strict=False), start=1)
    return all(entry is not None and (entry.seq, entry.previous) == (seq, before) for seq, (entry, before) in follow)


def replace(path: Path, lines: Sequence[bytes]) -> Path | None:
    """Replace the whole log by lines that `chained` accepts; returns where the old one is kept, None if there was none.

    A kill in between leaves the new side file with the old log; the same call then completes the change.
    """
    with _exclusive(path):
        kept = _set_aside(path)
        write_json(_head_file(path), _Head(len(lines), sha256(lines[-1]) if lines else _NO_LINE)._asdict())
        write_text(path, "".join(line.decode() + "\n" for line in lines))
    return kept


def rechained(entries: Iterable[AuditEntry]) -> list[bytes]:
    """The entries as lines of a new chain, numbered from 1. Lines of an incident name its new number."""
    numbers: dict[int, int] = {}
    lines: list[bytes] = []
    for seq, entry in enumerate(entries, start=1):
        numbers[entry.seq] = seq
        facts = dict(entry.facts)
        if "incident" in facts:
            facts["incident"] = numbers.get(facts["incident"], facts["incident"])
        previous = sha256(lines[-1]) if lines else _NO_LINE
        lines.append(_line(entry._replace(seq=seq, facts=facts, previous=previous)))
    return lines


@contextmanager
def _exclusive(path: Path) -> Iterator[BinaryIO]:
    """The log, created if missing and locked for one writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with named(path), path.open("a+b") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            if path.exists() and path.stat().st_ino == os.fstat(log.fileno()).st_ino:  # not replaced meanwhile
                yield log
                return


def _set_aside(path: Path) -> Path | None:
    content = path.read_bytes()
    if not content:
        return None
    kept = path.with_name(f"{path.name}.damaged-{hashlib.sha256(content).hexdigest()[:12]}")
    kept.write_bytes(content)
    return kept


def _line(entry: AuditEntry) -> bytes:
    return json.dumps(entry._asdict(), ensure_ascii=False).encode()


def verify(path: Path) -> list[str]:
    """Problems of the log, one sentence each: lines edited, removed, moved or truncated. Empty if there are none.

    Raises:
        Damaged: the side file is incomplete or invalid.
    """
    lines, head = _snapshot(path)
    problems = []
    previous = _NO_LINE
    for number, line in enumerate(lines, start=1):
        entry = parse(line)
        if entry is None:
            problems.append(f"{path}:{number}: is not an entry of an audit log")
        elif (entry.seq, entry.previous) != (number, previous):
            problems.append(f"{path}:{number}: does not follow the previous line: a line was edited, removed or moved")
        previous = sha256(line)
    return problems + _tail_problems(path, lines, head)


def missing(workspace: Workspace, rounds: Iterable[RoundRecord]) -> list[str]:
    """Promotions in records of rounds that the log lacks, one sentence each: both lines and side file were removed."""
    logged = {entry.facts.get("now") for entry in read(workspace.audit)}
    promoted = [record for record in rounds if record.verdict.result == "promote"]
    return [
        f"{workspace.audit}: no line records that version {record.version} of round {record.number} became champion"
        for record in promoted
        if record.version not in logged
    ]


def _snapshot(path: Path) -> tuple[list[bytes], _Head]:
    """The lines and the content of the side file, read together under the lock."""
    if not path.exists():
        return [], _head(path)
    with path.open("rb") as log:
        fcntl.flock(log, fcntl.LOCK_SH)
        return _lines(log.read()), _head(path)


def _tail_problems(path: Path, lines: list[bytes], head: _Head) -> list[str]:
    if len(lines) < head.seq:
        return [f"{path}: ends after line {len(lines)}, but line {head.seq} was written: lines were removed"]
    if len(lines) > head.seq + 1:  # a kill can leave the log one line ahead
        return [f"{path}: has {len(lines)} lines, but {_head_file(path).name} records {head.seq}"]
    if head.seq and sha256(lines[head.seq - 1]) != head.sha256:
        return [f"{path}:{head.seq}: does not match its recorded hash: the line was edited"]
    return []


def _newest(lines: list[bytes], head: _Head) -> _Head:
    """The line that the next one follows: the last line, or the recorded one if the log was truncated or edited."""
    return _Head(len(lines), sha256(lines[-1])) if len(lines) > head.seq else head


def _move_torn_line(log: BinaryIO, path: Path) -> None:
    log.seek(0)
    whole, newline, torn = log.read().rpartition(b"\n")
    if torn:
        with path.with_name(path.name + ".torn").open("ab") as torn_lines:
            torn_lines.write(torn + b"\n")
            torn_lines.flush()
            os.fsync(torn_lines.fileno())
        log.truncate(len(whole + newline))
    log.seek(0)


def _lines(content: bytes) -> list[bytes]:
    """The complete lines; text after the last newline is a half-written line."""
    return content.split(b"\n")[:-1]


def parse(line: bytes) -> AuditEntry | None:
    """The entry in a line; None if it is not one."""
    try:
        entry = AuditEntry(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (entry.at, entry.event, entry.who, entry.previous)
    whole = isinstance(entry.seq, int) and isinstance(entry.facts, dict) and all(isinstance(x, str) for x in texts)
    return entry if whole else None


def _head(path: Path) -> _Head:
    file = _head_file(path)
    if not file.exists():
        return _Head(0, _NO_LINE)
    match read_json(file):
        case {"seq": int(seq), "sha256": str(sha256)} if seq >= 0:
            return _Head(seq, sha256)
    raise Damaged(
        f"{file} does not have the number and hash of the newest line; restore it and {path.name} from a backup"
    )


def _head_file(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def sha256(line: bytes) -> str:
    """The hash (hex) of a line, as the next line states it in `previous`."""
    return hashlib.sha256(line).hexdigest()
