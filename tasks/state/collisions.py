"""Records that are handed in under an id that another record has: only one of the two would be learned from.

Ids are compared in packed form; only records whose id occurs twice are read a second time.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from feedback import store
from feedback.clashes import clashes
from feedback.lines import Line
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from feedback.sources.jsonl import JSONL
from feedback.store import identity
from tasks.state import feedback_database
from tasks.state.inbox_index import WIDTH, packed, repeated
from tasks.state.workspace import Workspace

Records = Callable[[], Iterator[tuple[Line, FeedbackEvent | RejectedRecord]]]


class HandedInFile(NamedTuple):
    """A file that is handed in."""

    path: Path
    ids: bytes
    """The packed ids of its usable records."""
    records: Records
    """Reads it again."""


def collisions(
    workspace: Workspace, files: Sequence[HandedInFile], inbox: Sequence[Path], known: bytes
) -> dict[Path, dict[str, str]]:
    """File → position of a record whose id an earlier record has with other content → the reason to reject it.

    Args:
        workspace: where stored and waiting feedback is.
        files: what is handed in, in its order.
        inbox: the files that wait.
        known: the packed ids of what is stored or waits.
    """
    doubtful = repeated(b"".join(file.ids for file in files), known)
    if not doubtful:
        return {}
    first = _contents(_known(workspace, inbox, doubtful))
    candidates = [file for file in files if _has_any(file.ids, doubtful)]
    rejected = {file.path: clashes(_selected(file.records(), doubtful), first) for file in candidates}
    return {path: reasons for path, reasons in rejected.items() if reasons}


def _known(workspace: Workspace, inbox: Sequence[Path], doubtful: frozenset[bytes]) -> Iterator[FeedbackEvent]:
    """The events with these ids that are stored or wait, the stored ones first."""
    names = {name for name in store.ids(workspace.feedback) if packed([name]) in doubtful}
    yield from store.with_ids(workspace.feedback, names).values()
    waiting = (record for file in inbox for record in JSONL(path=file).read(Intake(round=0, seed=0)))
    for record in (*feedback_database.waiting_events(workspace), *waiting):
        if isinstance(record, FeedbackEvent) and packed([record.feedback_id]) in doubtful:
            yield record


def _contents(events: Iterable[FeedbackEvent]) -> dict[str, str]:
    contents: dict[str, str] = {}
    for event in events:
        contents.setdefault(event.feedback_id, identity.content(event))
    return contents


def _has_any(ids: bytes, doubtful: frozenset[bytes]) -> bool:
    return any(ids[start : start + WIDTH] in doubtful for start in range(0, len(ids), WIDTH))


def _selected(
    records: Iterable[tuple[Line, FeedbackEvent | RejectedRecord]], doubtful: frozenset[bytes]
) -> Iterator[tuple[Line, FeedbackEvent]]:
    for line, record in records:
        if isinstance(record, FeedbackEvent) and packed([record.feedback_id]) in doubtful:
            yield line, record
