"""ingest: stores feedback from all sources permanently; unusable records go to quarantine, each with its reason."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from core.errors import BadFeedback
from feedback import forgotten, groups, items, store
from feedback import pairs as pair_files
from feedback.measured import INGEST_NEW, INGEST_QUARANTINED, INGEST_REPEATED
from feedback.rejects import SourceCount
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, Source
from feedback.sources.jsonl import JSONL
from tasks.registry import withdrawals
from tasks.state import feedback_database, templates
from tasks.state.intake import IngestSettings
from tasks.state.round import Round
from tasks.state.steplog import StepLog


def ingest(round: Round, log: StepLog) -> None:
    """Append new events to the feedback store.

    Raises:
        BadFeedback: the feedback store is still empty, or too many records of a source cannot be used.
    """
    with log.learning():  # the simulated annotator's judging is timed; other sources only read
        by_source = _read(round)
    counts = [_checked(round, source, records) for source, records in by_source]
    single = templates.check(round, forgotten.kept(feedback_database.claimed(round), round.forgotten))
    events = [*(event for taken, _ in counts for event in taken), *single.taken]
    rejected = [record for _, count in counts for record in count.rejected]
    rejected += templates.rejections(single.refused, [])
    known = store.groups(round.workspace.feedback)
    grouped = groups.regroup(events, known, partial(items.stored, round.workspace.feedback))
    appended = store.append(round.workspace.feedback, grouped, round.number)
    rejected += appended.changed
    store.quarantine(round.workspace.feedback, rejected, round.number)
    withdrawals.note(round.workspace.audit, round.workspace.feedback, round.number)
    log({INGEST_NEW: appended.new, INGEST_REPEATED: appended.repeated, INGEST_QUARANTINED: len(rejected)}, 0)
    _check_counts(round, (count for _, count in counts))
    if not store.ids(round.workspace.feedback):
        sources = ", ".join(source.name() for source in round.knobs("ingest", IngestSettings).sources) or "none"
        raise BadFeedback(
            f"no usable feedback: sources {sources} gave nothing, {len(rejected)} records are in quarantine "
            f"({store.quarantine_folder(round.workspace.feedback)}); "
            "add a source with -S ingest.sources=[…], or hand in a file with `rounds feedback import FILE`"
        )


def _read(round: Round) -> list[tuple[Source, list[FeedbackEvent | RejectedRecord]]]:
    """The records of each source."""
    pairs = pair_files.read(round.workspace.answers)
    intake = Intake(round.number, round.seed_for("ingest"), pairs)
    return [(source, forgotten.kept_records(source.read(intake), round.forgotten)) for source in _sources(round)]


def _checked(
    round: Round, source: Source, records: Sequence[FeedbackEvent | RejectedRecord]
) -> tuple[list[FeedbackEvent], SourceCount]:
    """The events of one source that can be used, and a count of all its records."""
    checked = templates.check(round, (record for record in records if isinstance(record, FeedbackEvent)))
    rejected = [record for record in records if isinstance(record, RejectedRecord)]
    rejected += templates.rejections(checked.refused, [source])
    return checked.taken, SourceCount(source.name(), len(records), rejected)


def _check_counts(round: Round, counts: Iterable[SourceCount]) -> None:
    limit = round.knobs("ingest", IngestSettings).rejected_limit
    if bad := [count for count in counts if count.exceeds(limit)]:
        folder = store.quarantine_folder(round.workspace.feedback)
        raise BadFeedback(
            "\n".join(map(str, bad)) + f"\nThese records are in {folder}; correct the source and continue, or raise "
            f"ingest.rejected_limit={limit:g} with `rounds round --reopen` to go on without them"
        )


def _sources(round: Round) -> Iterator[Source]:
    yield from round.knobs("ingest", IngestSettings).sources
    for name in round.inbox:
        yield JSONL(path=round.workspace.inbox / name)
