"""Records that are handed in and could not be taken in: their id is another record's, or they supersede one.

Of two records with one id only one would be learned from. Events that wait and came from outside do not count: a
round takes in what was imported first. Ids are compared in packed form; only records whose id occurs twice are read a
second time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from feedback import store, superseding
from feedback.clashes import clashes
from feedback.lines import Line
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from feedback.store import identity
from feedback.trust import Trust
from tasks.state import feedback_database
from tasks.state.inbox_index import WIDTH, packed, repeated
from tasks.state.receipts import InboxFile
from tasks.state.workspace import Workspace

Records = Callable[[], Iterator[tuple[Line, FeedbackEvent | RejectedRecord]]]
Inbox = Callable[[], Sequence[InboxFile]]
"""Returns the files that wait; called only if there is something to compare."""


class HandedInFile(NamedTuple):
    """A file that is handed in."""

    path: Path
    ids: bytes
    """The packed ids of its usable records."""
    records: Records
    """Reads it again."""
    claims: Mapping[str, FeedbackEvent] = MappingProxyType({})
    """Position → a record that supersedes another one and is not fully trusted."""


def collisions(
    workspace: Workspace, files: Sequence[HandedInFile], inbox: Inbox, known: bytes
) -> dict[Path, dict[str, str]]:
    """File → position of a record that cannot be taken in → the reason to reject it.

    Args:
        workspace: where stored and waiting feedback is.
        files: what is handed in, in its order.
        inbox: the files that wait.
        known: the packed ids of what is stored or waits.
    """
    reasons = _clashing(workspace, files, inbox, known)
    for path, foreign in _foreign(workspace, files, inbox).items():
        reasons[path] = foreign | reasons.get(path, {})
    return reasons


def _foreign(workspace: Workspace, files: Sequence[HandedInFile], inbox: Inbox) -> dict[Path, dict[str, str]]:
    """The records that supersede an event of somebody else, or one that is not known."""
    claims = [event for file in files for event in file.claims.values()]
    if not claims:
        return {}
    named = {event.supersedes for event in claims if event.supersedes}
    handed = (record for file in files for _, record in file.records())
    waiting = (record for file in inbox() for record in file.read(Intake(round=0, seed=0)))
    single = feedback_database.waiting_events(workspace)
    records = (*store.with_ids(workspace.feedback, named).values(), *single, *waiting, *handed)
    known = superseding.givers(
        each for each in records if isinstance(each, FeedbackEvent) and each.feedback_id in named
    )
    rejected = {
        file.path: {
            where: reason
            for where, event in file.claims.items()
            if (reason := superseding.problem(event, Trust.OPERATOR, known))
        }
        for file in files
    }
    return {path: reasons for path, reasons in rejected.items() if reasons}


def _clashing(
    workspace: Workspace, files: Sequence[HandedInFile], inbox: Inbox, known: bytes
) -> dict[Path, dict[str, str]]:
    """The records whose id an earlier record has with other content."""
    doubtful = repeated(b"".join(file.ids for file in files), known)
    if not doubtful:
        return {}
    first = _contents(_known(workspace, inbox, doubtful))
    candidates = [file for file in files if _has_any(file.ids, doubtful)]
    rejected = {file.path: clashes(_selected(file.records(), doubtful), first) for file in candidates}
    return {path: reasons for path, reasons in rejected.items() if reasons}


def _known(workspace: Workspace, inbox: Inbox, doubtful: frozenset[bytes]) -> Iterator[FeedbackEvent]:
    """The events with these ids that are stored, then those that were imported and wait."""
    names = {name for name in store.ids(workspace.feedback) if packed([name]) in doubtful}
    yield from store.with_ids(workspace.feedback, names).values()
    for record in (record for file in inbox() if file.imported for record in file.read(Intake(round=0, seed=0))):
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
