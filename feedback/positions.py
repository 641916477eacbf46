"""The position of records in their files, found again by their content."""

from collections.abc import Collection, Iterable
from pathlib import Path

from feedback import lines
from feedback.limits import UNLIMITED
from feedback.lines import Line
from feedback.schema import FeedbackEvent, RejectedRecord


def rejected(event: FeedbackEvent, reason: str, found: dict[str, Line]) -> RejectedRecord:
    """An event as a rejected record, with file and line if its record was found, else with its id in the source."""
    line = found.get(event.source_sha256 or "")
    if line is None:
        return RejectedRecord(
            source=event.source, where=event.source_id, reason=reason, record=event.model_dump_json(exclude={"round"})
        )
    return RejectedRecord(source=event.source, where=line.where, reason=reason, record=line.text)


def find(files: Iterable[Path], wanted: Collection[str]) -> dict[str, Line]:
    """SHA-256 of a record → its first line in the files; records that are in none of them are left out."""
    found: dict[str, Line] = {}
    for file in files if wanted else ():
        for line in lines.read(file, UNLIMITED):
            if line.sha256 in wanted:
                found.setdefault(line.sha256, line)
    return found
