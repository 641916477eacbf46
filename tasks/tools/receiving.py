"""Receiving single events from programs: durable before they are acknowledged, and enough of them start a round.

Programs call `receive`; serving, which builds events itself and keeps its database open, calls `store`. The check of
the number is a count in the database: events that arrive often must not read the inbox each time. The 15-minute
schedule counts the inbox as well. Feedback on the champion's answers is announced too, see `tasks.tools.announcing`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from core.errors import BadFeedback
from feedback import forgotten, trust
from feedback.canonical import UNKNOWN
from feedback.schema import FeedbackEvent, RejectedRecord
from tasks.state import feedback_database, intake, records, tombstones
from tasks.state.workspace import Workspace
from tasks.tools import announcing
from tasks.tools.events import configured, send_feedback_ready

if TYPE_CHECKING:
    from feedback.store.arrivals import PutResult
    from feedback.store.database import Database


class Received(NamedTuple):
    """What became of the events."""

    new: int
    """Events that were stored."""
    repeated: int
    """Events that were stored before, with the same content."""
    changed: tuple[RejectedRecord, ...]
    """Events whose id is stored with other content; they were not stored."""
    forgotten: int
    """Events of forgotten annotators; they were not stored."""
    notified: bool
    """True if the Prefect server was told that enough feedback waits for a round."""


def receive(
    workspace: Workspace, events: Sequence[FeedbackEvent], identity: str, source: str = "http", attributed: bool = False
) -> Received:
    """Store events for the next round; they are on disk when this returns. All are stored, or none.

    Nothing that an event states of its giver is believed (`feedback.trust`): it is by `identity`, and an id in it
    names only an event of theirs.

    Each time that the number of waiting events in the database passes a multiple of `ingest.threshold`, the Prefect
    server is notified, if one is configured.

    Args:
        workspace: where they are stored.
        events: as they were read.
        identity: the identity of the key that was used: the annotator.
        source: the name of the service that calls this.
        attributed: whether that service, and not who uses it, filled in `model` and `model_version` of the answers.

    Raises:
        BadFeedback: an id cannot be stored, an event is too large (`ingest.limits`), or the identity stands for nobody.
        BadParams: params.yaml cannot be read.
        BadWorkspace: the database belongs to another workspace.
        NoDatabase: the database does not answer; nothing was stored.
    """
    if not identity.strip() or identity == UNKNOWN:
        raise BadFeedback(f"identity {identity!r} names nobody; give each key the name of who uses it")
    own = (trust.received(event, identity, source, attributed) for event in events)
    taken = list(forgotten.kept(own, tombstones.forgotten(workspace)))
    intake.threshold(workspace)  # an error in params.yaml is found before a database is made
    with feedback_database.opened(workspace) as database:
        put, notified = store(workspace, database, taken)
    return Received(put.new, put.repeated, put.changed, len(events) - len(taken), notified)


def store(workspace: Workspace, database: "Database", events: Sequence[FeedbackEvent]) -> tuple["PutResult", bool]:
    """Store events whose givers were checked and are not forgotten; whether the Prefect server was notified.

    Raises:
        BadFeedback, BadParams, NoDatabase: see `receive`.
    """
    from feedback.store import arrivals  # only here: SQLAlchemy takes a second to load

    threshold = intake.threshold(workspace)
    put = arrivals.put(database, events, workspace.feedback, datetime.now(UTC), intake.limits(workspace))
    if put.new:
        announcing.stored(workspace, events)
    count = arrivals.count_waiting(database, records.numbers(workspace)) if put.new else 0
    enough = count // threshold > (count - put.new) // threshold
    return put, enough and configured() and send_feedback_ready(workspace, count, threshold)
