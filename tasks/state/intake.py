"""Feedback that waits for the next round: how it is ingested, and what the inbox and the feedback database hold.

Imports neither torch nor Prefect, so that handing in feedback or reading a finished round's record stays fast.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain, compress
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field, SerializeAsAny

from core import collecting
from core.plugins import used
from core.settings import BaseSettings, override, read, section
from feedback import forgotten, store, superseding
from feedback.limits import SizeLimitSettings
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, Source
from feedback.sources.simulated import Simulated
from feedback.trust import Trust
from tasks.state import feedback_database, inbox, receipts, tombstones
from tasks.state.inbox_index import InboxIndex, are_new, count_new, packed
from tasks.state.receipts import Receipt
from tasks.state.round import code_digest
from tasks.state.workspace import Workspace

SourceField = Annotated[SerializeAsAny[Source], used("feedback.sources")]


class IngestSettings(BaseSettings):
    """Feedback sources, and how much waiting feedback starts a round."""

    sources: tuple[SourceField, ...] = (Simulated(),)
    """Read in every round; events that were ingested before are skipped. The workspace's inbox is always read too."""
    threshold: int = Field(200, ge=1)
    """Number of usable waiting records at which a round starts automatically."""
    max_wait_days: float | None = Field(7.0, gt=0, le=3650)
    """Days that the oldest usable record waits at most: then a round starts automatically, however few wait. `null`:
    no limit."""
    rejected_limit: float = Field(0.3, gt=0, le=1)
    """Share of the records of one source (of 50 or more) that cannot be used at which the round stops."""
    limits: SizeLimitSettings = SizeLimitSettings()
    """How large feedback may be: files, records and texts."""


def settings(workspace: Workspace, overrides: Sequence[str] = ()) -> IngestSettings:
    """The section `ingest` of params.yaml, with overrides on top.

    Raises:
        BadParams: an unknown knob, or an invalid value.
    """
    return section(IngestSettings, override(read(workspace.params), overrides), "ingest", workspace.params)


def threshold(workspace: Workspace) -> int:
    """`ingest.threshold`: how much waiting feedback starts a round.

    Raises:
        BadParams: params.yaml cannot be read.
    """
    return settings(workspace).threshold


def collects(workspace: Workspace) -> bool:
    """Whether rounds collect answers of the champion: whether a source of `ingest.sources` has them judged.

    Raises:
        BadParams: params.yaml cannot be read.
    """
    return any(source.labels for source in settings(workspace).sources)


def limits(workspace: Workspace) -> SizeLimitSettings:
    """`ingest.limits`: how large feedback may be. A workspace without params.yaml has the defaults.

    Raises:
        BadParams: params.yaml cannot be read.
    """
    return settings(workspace).limits if workspace.params.exists() else SizeLimitSettings()


def inbox_events(workspace: Workspace) -> list[FeedbackEvent]:
    """The valid events in the inbox, before prompt groups are assigned."""
    return [arrival.event for arrival in _inbox_arrivals(workspace)]


class Arrival(NamedTuple):
    """An event that waits."""

    event: FeedbackEvent
    trust: Trust
    """In the record that it was read from."""
    at: datetime
    """When it arrived: when its file was put into the inbox, or when the database stored it."""


def _inbox_arrivals(workspace: Workspace) -> Iterator[Arrival]:
    intake = _reading(workspace)
    for source in inbox.sources(workspace):
        at = datetime.fromtimestamp(source.path.stat().st_mtime, UTC)
        for record in source.read(intake):
            if isinstance(record, FeedbackEvent):
                yield Arrival(record, source.level, at)


def _single_arrivals(workspace: Workspace) -> Iterator[Arrival]:
    for event in feedback_database.waiting_events(workspace):
        yield Arrival(event, Trust.OUTSIDE, event.ingested_at or datetime.now(UTC))


def arrivals(workspace: Workspace) -> list[Arrival]:
    """The valid events that wait in the inbox, then those in the feedback database, each id once.

    Those that supersede what they may not are left out: a round will not take them in.
    """
    first: dict[str, Arrival] = {}
    for arrival in chain(_inbox_arrivals(workspace), _single_arrivals(workspace)):
        first.setdefault(arrival.event.feedback_id, arrival)
    named = {arrival.event.supersedes for arrival in first.values() if arrival.event.supersedes}
    known = superseding.givers(arrival.event for arrival in first.values() if arrival.event.feedback_id in named)
    known |= superseding.givers(store.with_ids(workspace.feedback, named).values())
    gone = tombstones.forgotten(workspace)
    return [
        arrival
        for arrival in first.values()
        if not superseding.problem(arrival.event, arrival.trust, known) and forgotten.is_kept(arrival.event, gone)
    ]


def waiting_events(workspace: Workspace) -> list[FeedbackEvent]:
    """The events of `arrivals`."""
    return [arrival.event for arrival in arrivals(workspace)]


def new_arrivals(workspace: Workspace) -> list[Arrival]:
    """The events of `arrivals` that no round has stored yet."""
    waiting = arrivals(workspace)
    new = are_new(packed(arrival.event.feedback_id for arrival in waiting), stored_ids(workspace))
    return list(compress(waiting, new))


def new_records(workspace: Workspace) -> int:
    """Number of records in the inbox and the feedback database that no round has ingested yet."""
    return count_new(waiting_ids(workspace), stored_ids(workspace))


def waiting_ids(workspace: Workspace) -> bytes:
    """The packed ids of the records in the inbox and the feedback database."""
    found, files = index(workspace), inbox.files(workspace)
    read = partial(_ids, _reading(workspace), receipts.read(workspace), tombstones.forgotten(workspace))
    ids = found.ids(files, read) + packed(feedback_database.waiting(workspace))
    found.save()
    return ids


def stored_ids(workspace: Workspace) -> bytes:
    """The packed ids of the records that rounds have stored."""
    columns = store.batches(workspace.feedback, ["feedback_id"])
    return b"".join(packed(batch["feedback_id"].to_pylist()) for batch in columns)


def _reading(workspace: Workspace) -> Intake:
    """How the records that wait are read."""
    return Intake(round=0, seed=0, limits=limits(workspace))


def index(workspace: Workspace) -> InboxIndex:
    """The ids of the records that wait; with other limits, other records can be used."""
    return InboxIndex(workspace.inbox_index, f"{code_digest()} {limits(workspace).model_dump_json()}")


@collecting.paused()
def _ids(intake: Intake, imported: Mapping[str, Receipt], gone: Sequence[str], file: Path) -> bytes:
    """The packed ids of the usable records of a file."""
    source = receipts.file(file, imported, gone)
    return packed_ids((None, record) for record in source.read(intake))


def packed_ids(records: Iterable[tuple[object, FeedbackEvent | RejectedRecord]]) -> bytes:
    """The packed ids of the usable ones among records, each with its place."""
    return packed(record.feedback_id for _, record in records if isinstance(record, FeedbackEvent))


class InboxCount(NamedTuple):
    """Number of records waiting in the inbox, and the number that starts a round."""

    records: int
    threshold: int

    @property
    def enough(self) -> bool:
        """True if there may be enough usable ones to start a round; `tasks.state.readiness` says whether there are."""
        return self.records >= self.threshold


def count(workspace: Workspace) -> InboxCount:
    """The number of records not ingested yet, usable or not, with `ingest.threshold`. Files are not read again.

    Raises:
        BadParams: an unknown knob, or an invalid value.
    """
    return InboxCount(new_records(workspace), threshold(workspace))
