"""ingest: stores feedback from all sources permanently; unusable records go to quarantine, each with its reason."""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import NamedTuple

from core import collecting
from core.errors import BadFeedback
from feedback import forgotten, items, revisions, store, superseding
from feedback import pairs as pair_files
from feedback.groups import Grouping
from feedback.limits import SHOWN, SizeLimitSettings, event_problem
from feedback.measured import INGEST_NEW, INGEST_QUARANTINED, INGEST_REPEATED
from feedback.prompt_ids import PromptIds
from feedback.rejects import SourceCount
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, Source
from feedback.trust import Trust
from tasks.registry import withdrawals
from tasks.state import feedback_database, receipts, templates
from tasks.state.intake import IngestSettings
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.tools import traces

_CHUNK = 2_000
"""Events whose claims to supersede others are looked up at a time."""


@collecting.paused()
def ingest(round: Round, log: StepLog) -> None:
    """Append new events to the feedback store.

    Raises:
        BadFeedback: the feedback store is still empty, or too many records of a source cannot be used.
    """
    folder = round.workspace.feedback
    incoming = _Incoming(round)
    with log.learning():  # the simulated annotator's judging is timed; other sources only read
        pairs = pair_files.read(round.workspace.answers)
        limits = round.knobs("ingest", IngestSettings).limits
        intake = Intake(round.number, round.seed_for("ingest"), pairs, limits=limits)
        counts = [incoming.read(source, _limited(source, intake)) for source in _sources(round)]
    single = incoming.receive(forgotten.kept(feedback_database.claimed(round), round.forgotten))
    late = incoming.read_late()
    appended = incoming.write()
    rejected = [record for count in counts for record in count.rejected]
    rejected += [*single, *late, *appended.changed]
    store.quarantine(folder, rejected, round.number)
    withdrawals.note(round.workspace.audit, folder, round.number)
    log({INGEST_NEW: appended.new, INGEST_REPEATED: appended.repeated, INGEST_QUARANTINED: len(rejected)}, 0)
    _check_counts(round, counts)
    if not store.size(folder):
        sources = ", ".join(source.name() for source in round.knobs("ingest", IngestSettings).sources) or "none"
        raise BadFeedback(
            f"no usable feedback: sources {sources} gave nothing, {len(rejected)} records are in quarantine "
            f"({store.quarantine_folder(folder)}); "
            "add a source with -S ingest.sources=[…], or hand in a file with `rounds feedback import FILE`"
        )


class _Taken(NamedTuple):
    """Events that were taken in, and those that the chat template refuses, each with its reason."""

    taken: int
    refused: list[tuple[FeedbackEvent, str]]


class _Incoming:
    """The events that a round takes in. They are held as columns; a few thousand at a time are objects."""

    def __init__(self, round: Round) -> None:
        self._folder, self._round = round.workspace.feedback, round.number
        self._draft = store.Draft(self._folder, round.number)
        texts = store.prompt_texts(self._folder)
        self._ids, self._grouping = PromptIds(texts), Grouping(store.first_of_each(texts))
        self._refusal = templates.refusal(round)
        self._forgotten = round.forgotten
        self._late: list[tuple[FeedbackEvent, Trust, bool]] = []

    def read(self, source: Source, records: Iterable[FeedbackEvent | RejectedRecord]) -> SourceCount:
        """Take in the records of one source, and count them."""
        rejected: list[RejectedRecord] = []
        events: Iterable[FeedbackEvent] = _events(forgotten.kept_records(records, self._forgotten), rejected)
        foreign: list[tuple[FeedbackEvent, str]] = []
        events = self._superseding_own(events, source.level, source.editable, foreign)
        if source.editable:
            events = revisions.corrected(self._folder, list(events), self._round)
        taken, refused = self.take(events)
        rejected += templates.rejections([*foreign, *refused], [source])
        return SourceCount(source.name(), taken + len(rejected), rejected)

    def receive(self, events: Iterable[FeedbackEvent]) -> list[RejectedRecord]:
        """Take in events that arrived singly, from outside; returns those that cannot be used."""
        foreign: list[tuple[FeedbackEvent, str]] = []
        _, refused = self.take(self._superseding_own(events, Trust.OUTSIDE, False, foreign))
        return templates.rejections([*refused, *foreign], [])

    def read_late(self) -> list[RejectedRecord]:
        """Take in the events that supersede one that came later; returns those that cannot be used."""
        known = self._draft.givers({event.supersedes for event, _, _ in self._late if event.supersedes})
        refused: list[tuple[FeedbackEvent, str]] = []
        for event, trust, editable in self._late:
            if reason := superseding.problem(event, trust, known):
                refused.append((event, reason))
                continue
            events = revisions.corrected(self._folder, [event], self._round) if editable else [event]
            refused += self.take(events).refused
        return templates.rejections(refused, [])

    def _superseding_own(
        self, events: Iterable[FeedbackEvent], trust: Trust, editable: bool, foreign: list[tuple[FeedbackEvent, str]]
    ) -> Iterator[FeedbackEvent]:
        """The events that may supersede what they name; those that may not are added to `foreign`, with the reason.

        One that names an event that has not come yet is kept for `read_late`. What was stored before stays.
        """
        if trust is Trust.FULL:
            yield from events
            return
        remaining = iter(events)
        while chunk := list(islice(remaining, _CHUNK)):
            claiming = [event for event in chunk if event.supersedes and not self._draft.is_stored(event.feedback_id)]
            known = self._known({event.supersedes for event in claiming if event.supersedes}, chunk)
            late = {event.feedback_id for event in claiming if event.supersedes not in known}
            reasons = {event.feedback_id: superseding.problem(event, trust, known) for event in claiming}
            for event in chunk:
                if event.feedback_id in late:
                    self._late.append((event, trust, editable))
                elif reason := reasons.get(event.feedback_id):
                    foreign.append((event, reason))
                else:
                    yield event

    def _known(self, wanted: set[str], chunk: Iterable[FeedbackEvent]) -> dict[str, superseding.Giver]:
        """Who gave the events with these ids, so far."""
        if not wanted:
            return {}
        return superseding.givers(event for event in chunk if event.feedback_id in wanted) | self._draft.givers(wanted)

    def take(self, events: Iterable[FeedbackEvent]) -> _Taken:
        """Take in the events whose prompts the chat template takes."""
        taken, refused = 0, []
        for event in events:
            if reason := self._refusal(event):
                refused.append((event, reason))
            else:
                resolved = self._ids.resolved(event)
                self._grouping.add(resolved)
                self._draft.add(resolved)
                taken += 1
        return _Taken(taken, refused)

    def write(self) -> store.AppendResult:
        """Write what is new as a part of the feedback store."""
        prompts, stored = self._draft.prompts(), partial(items.stored, self._folder)
        return self._draft.write(self._grouping.groups(prompts, self._draft.with_prompts, stored))


def _limited(source: Source, intake: Intake) -> Iterable[FeedbackEvent | RejectedRecord]:
    """The records of a source. Those of files are limited by bytes while they are read, all others here."""
    records = source.read(intake)
    return records if source.files() else (_refused_if_large(record, intake.limits) for record in records)


def _refused_if_large(
    record: FeedbackEvent | RejectedRecord, limits: SizeLimitSettings
) -> FeedbackEvent | RejectedRecord:
    if not isinstance(record, FeedbackEvent) or (reason := event_problem(record, limits)) is None:
        return record
    shown = record.model_dump_json()[:SHOWN]
    return RejectedRecord(source=record.source, where=record.source_id, reason=reason, record=shown)


def _events(
    records: Iterable[FeedbackEvent | RejectedRecord], rejected: list[RejectedRecord]
) -> Iterator[FeedbackEvent]:
    """The events among records; the others are added to `rejected`."""
    for record in records:
        if isinstance(record, RejectedRecord):
            rejected.append(record)
        else:
            yield record


def _check_counts(round: Round, counts: Iterable[SourceCount]) -> None:
    limit = round.knobs("ingest", IngestSettings).rejected_limit
    if bad := [count for count in counts if count.exceeds(limit)]:
        folder = store.quarantine_folder(round.workspace.feedback)
        raise BadFeedback(
            "\n".join(map(str, bad)) + f"\nThese records are in {folder}; correct the source and continue, or raise "
            f"ingest.rejected_limit={limit:g} with `rounds round --reopen` to go on without them"
        )


def _sources(round: Round) -> Iterator[Source]:
    yield from traces.connected(round.knobs("ingest", IngestSettings).sources, round.workspace.root)
    workspace = round.workspace
    yield from receipts.files(workspace, [workspace.inbox / name for name in round.inbox], round.forgotten)
