"""Receiving single events from programs: durable before they are acknowledged, then announced to Prefect.

Programs call `receive`; serving, which builds events itself and keeps its database open, calls `store`. Enough usable
feedback starts a round, see `tasks.tools.announcing_readiness`; feedback on the champion's answers starts a watch, see
`tasks.tools.announcing`. Threads do both, so that storing waits for neither.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from core.errors import BadFeedback
from feedback import forgotten, trust
from feedback.canonical import UNKNOWN
from feedback.schema import FeedbackEvent, RejectedRecord
from tasks.state import feedback_database, intake, tombstones
from tasks.state.workspace import Workspace
from tasks.tools import announcing, announcing_readiness

if TYPE_CHECKING:
    from feedback.store.arrivals import PutResult
    from feedback.store.database import Change, Database


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


def receive(
    workspace: Workspace, events: Sequence[FeedbackEvent], identity: str, source: str = "http", attributed: bool = False
) -> Received:
    """Store events for the next round; they are on disk when this returns. All are stored, or none.

    Nothing that an event states of its giver is believed (`feedback.trust`): it is by `identity`, and an id in it
    names only an event of theirs.

    If enough usable feedback waits then, a thread announces it to the Prefect server within seconds, if one is
    configured. A program that ends at once calls `announcing_readiness.announce` before, or leaves it to the 15-minute
    schedule.

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
        put = store(workspace, database, taken)
    return Received(put.new, put.repeated, put.changed, len(events) - len(taken))


def store(
    workspace: Workspace,
    database: "Database",
    events: Sequence[FeedbackEvent],
    together_with: "Change | None" = None,
) -> "PutResult":
    """Store events whose givers were checked and are not forgotten.

    Args:
        workspace: where they are stored.
        database: its feedback database.
        events: the events.
        together_with: see `arrivals.put`.

    Raises:
        BadFeedback, BadParams, NoDatabase: see `receive`.
        StoredOtherwise: see `arrivals.put`.
    """
    from feedback.store import arrivals  # only here: SQLAlchemy takes a second to load

    now, limits = datetime.now(UTC), intake.limits(workspace)
    put = arrivals.put(database, events, workspace.feedback, now, limits, together_with)
    if put.new:
        announcing.stored(workspace, events)
        announcing_readiness.stored(workspace)
    return put
