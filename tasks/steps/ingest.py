"""ingest: stores feedback from all sources permanently; unusable records go to quarantine, each with its reason."""

from collections.abc import Iterator
from functools import partial

from core.errors import BadFeedback
from feedback import groups, items, store
from feedback import pairs as pair_files
from feedback.measured import INGEST_NEW, INGEST_QUARANTINED, INGEST_REPEATED
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
        BadFeedback: the feedback store is still empty.
    """
    with log.learning():  # the simulated annotator's judging is timed; other sources only read
        read, rejected = _read(round)
    events, refused = templates.check(round, read)
    rejected += templates.rejections(refused, _sources(round))
    known = store.groups(round.workspace.feedback)
    grouped = groups.regroup(events, known, partial(items.stored, round.workspace.feedback))
    appended = store.append(round.workspace.feedback, grouped, round.number)
    rejected += appended.changed
    store.quarantine(round.workspace.feedback, rejected, round.number)
    withdrawals.note(round.workspace.audit, round.workspace.feedback, round.number)
    log({INGEST_NEW: appended.new, INGEST_REPEATED: appended.repeated, INGEST_QUARANTINED: len(rejected)}, 0)
    if not store.ids(round.workspace.feedback):
        sources = ", ".join(source.name() for source in round.knobs("ingest", IngestSettings).sources) or "none"
        raise BadFeedback(
            f"no usable feedback: sources {sources} gave nothing, {len(rejected)} records are in quarantine "
            f"({store.quarantine_folder(round.workspace.feedback)}); "
            "add a source with -S ingest.sources=[…], or hand in a file with `rounds feedback import FILE`"
        )


def _read(round: Round) -> tuple[list[FeedbackEvent], list[RejectedRecord]]:
    pairs = pair_files.read(round.workspace.answers)
    intake = Intake(round.number, round.seed_for("ingest"), pairs)
    records = [record for source in _sources(round) for record in source.read(intake)]
    events = [record for record in records if isinstance(record, FeedbackEvent)] + feedback_database.claimed(round)
    return events, [record for record in records if isinstance(record, RejectedRecord)]


def _sources(round: Round) -> Iterator[Source]:
    yield from round.knobs("ingest", IngestSettings).sources
    for name in round.inbox:
        yield JSONL(path=round.workspace.inbox / name)
