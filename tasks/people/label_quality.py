"""How well the annotators of a workspace label, from all events of the label page, ingested or not."""

import pyarrow.compute as pc

from feedback import store
from feedback.arrow import from_table
from feedback.label_items import SOURCE
from feedback.label_quality import LabelQuality, qualities
from tasks.state import feedback_database
from tasks.state.workspace import Workspace


def annotators(workspace: Workspace) -> list[LabelQuality]:
    """All annotators of the label page, by name.

    Raises:
        NoDatabase: the feedback database does not answer.
    """
    table = store.read(workspace.feedback)
    stored = from_table(table.filter(pc.equal(table["source"], SOURCE)))
    known = {event.feedback_id for event in stored}
    waiting = (event for event in feedback_database.waiting_events(workspace) if event.feedback_id not in known)
    return qualities([*stored, *waiting])
