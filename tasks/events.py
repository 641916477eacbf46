"""What the project tells Prefect's event system. Events can be lost; a schedule stands behind each of them."""

from prefect.events import emit_event
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL

from tasks.workspace import Workspace

READY = "feedback.threshold_reached"
"""Enough feedback waits for a round. prefect.yaml listens to it."""


def feedback_ready(workspace: Workspace, pending: int, threshold: int) -> bool:
    """Tell the server, where one is configured, that `pending` records wait; True where it was told."""
    if PREFECT_API_URL.value() is None:
        return False
    emit_event(
        event=READY,
        resource={"prefect.resource.id": "rounds.inbox", "prefect.resource.name": str(workspace.root)},
        payload={"pending": pending, "threshold": threshold},
    )
    # a short command would end before the background worker has sent anything
    EventsWorker.instance().drain()
    return True
