"""What the project tells Prefect's event system. Events can be lost; a schedule stands behind each of them."""

import logging
from collections.abc import Mapping, Sequence
from uuid import NAMESPACE_OID, uuid5

import httpx
from prefect.client.orchestration import get_client
from prefect.events import Event, Resource
from prefect.settings import PREFECT_API_URL

from core.files import read_json, write_json
from tasks.registry import audit
from tasks.registry.audit import Entry
from tasks.state.workspace import Workspace

READY = "feedback.threshold_reached"
"""Enough feedback waits for a round. prefect.yaml listens to it."""

DRIFTED = "champion.drifted"
"""Something has moved away from what the champion learned from; the payload says what. Automations may listen to it."""

IN_BREACH = "champion.in_breach"
"""People say that the champion is bad, and it stays all the same; the payload says why. Automations may listen."""

ROLLED_BACK = "champion.rolled_back"
"""An earlier version is champion again; the payload says which, and why. Automations may listen to it."""

_logger = logging.getLogger(__name__)


def feedback_ready(workspace: Workspace, pending: int, threshold: int) -> bool:
    """Tell the configured server that `pending` records wait; True where it took the event.

    A server that does not answer is no error: the feedback is kept, and the schedule finds it.
    """
    inbox = Resource({"prefect.resource.id": "rounds.inbox", "prefect.resource.name": str(workspace.root)})
    return _sent(Event(event=READY, resource=inbox, payload={"pending": pending, "threshold": threshold}))


def drifted(workspace: Workspace, alarms: Mapping[str, str]) -> bool:
    """Tell the configured server of the alarms that it does not know of; False where it did not take the event.

    The names of what it was told stand in data/watch/told.json: an alarm is one event, however its numbers change,
    and one that was lost is sent again.

    Args:
        workspace: where.
        alarms: name → sentence.
    """
    file = workspace.watch / "told.json"
    told = read_json(file) if file.exists() else []
    new = [said for name, said in alarms.items() if name not in told]
    if new and not _sent(Event(event=DRIFTED, resource=_champion(workspace), payload={"alarms": new})):
        return False
    write_json(file, list(alarms))
    return True


def in_breach(workspace: Workspace, alarms: Sequence[str]) -> bool:
    """Tell the configured server that a guard is in breach, at each look; True where it took the event."""
    return _sent(Event(event=IN_BREACH, resource=_champion(workspace), payload={"alarms": list(alarms)}))


def rolled_back(workspace: Workspace, left: str, now: str, reason: str) -> bool:
    """Tell the configured server that version `now` is champion again; True where it took the event."""
    payload = {"left": left, "now": now, "reason": reason}
    return _sent(Event(event=ROLLED_BACK, resource=_champion(workspace), payload=payload))


def rollbacks(workspace: Workspace, who: str) -> bool:
    """Tell the configured server of the rollbacks by `who` that it does not know of; False where it did not take one.

    The audit log says which there were, so that neither a kill nor a server that is away loses one. Those that it was
    told of stand in data/watch/rollbacks.json; one that a kill has sent twice is one event, by its id.
    """
    file = workspace.watch / "rollbacks.json"
    told = read_json(file) if file.exists() else []
    for move in audit.read(workspace.audit):
        if (move.event, move.who) == ("rollback", who) and move.facts["intent"] not in told:
            if not _sent(_rollback(workspace, move)):
                return False
            told.append(move.facts["intent"])
            write_json(file, told)
    return True


def _rollback(workspace: Workspace, move: Entry) -> Event:
    payload = {"at": move.at} | {name: move.facts[name] for name in ("left", "now", "reason")}
    identity = uuid5(NAMESPACE_OID, move.facts["intent"])
    return Event(event=ROLLED_BACK, resource=_champion(workspace), payload=payload, id=identity)


def _champion(workspace: Workspace) -> Resource:
    return Resource({"prefect.resource.id": "rounds.champion", "prefect.resource.name": str(workspace.root)})


def _sent(event: Event) -> bool:
    try:
        # emit_event() sends in the background and drops what it cannot send without a word
        with get_client(sync_client=True) as client:
            client.request("POST", "/events", json=[event.model_dump(mode="json")])
    except httpx.HTTPError as error:
        _logger.warning("the Prefect server at %s did not take the event: %s", PREFECT_API_URL.value(), error)
        return False
    return True
