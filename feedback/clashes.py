"""Records under an id that an earlier record has with other content: only one of the two could be learned from."""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping

from feedback.lines import Line
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.store import identity

Judged = Iterable[tuple[Line, FeedbackEvent | RejectedRecord]]

_REASON = (
    "feedback_id {} is that of another record, or of the same one as it was taken in before (with another licence, for "
    "example), expected one of its own (source, source_id and annotator make it); what was taken in does not change: "
    "to correct it, hand in a record with another source_id that names it in `supersedes`"
)


def clashes(events: Iterable[tuple[Line, FeedbackEvent]], first: MutableMapping[str, str]) -> dict[str, str]:
    """Position of a record → the reason to reject it.

    Args:
        events: the events that may clash, each with its line.
        first: id → content (`identity.content`) of the records before them; theirs are added.
    """
    rejected: dict[str, str] = {}
    for line, event in events:
        content = identity.content(event)
        if first.setdefault(event.feedback_id, content) != content:
            rejected[line.where] = _REASON.format(event.feedback_id)
    return rejected


def rejecting(records: Judged, reasons: Mapping[str, str]) -> Iterator[tuple[Line, FeedbackEvent | RejectedRecord]]:
    """The records of a file; those at the positions in `reasons` are rejected."""
    for line, record in records:
        if isinstance(record, FeedbackEvent) and (reason := reasons.get(line.where)):
            yield line, RejectedRecord(source=record.source, where=line.where, reason=reason, record=line.text)
        else:
            yield line, record
