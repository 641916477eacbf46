"""What the project tells a Prefect server: events, and that a suspended run may go on.

Events can be lost; a schedule stands behind each of them. Importing Prefect takes seconds: inside functions only.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import httpx

from core.files import read_json, write_json
from tasks.state.workspace import Workspace

READY = "feedback.threshold_reached"
"""Enough feedback waits for a round. prefect.yaml listens to it."""

DRIFTED = "champion.drifted"
"""Something has moved away from what the champion learned from; the payload says what. Automations may listen to it."""

IN_BREACH = "champion.in_breach"
"""People say that the champion is bad, and it stays all the same; the payload says why. Automations may listen."""

ROLLED_BACK = "champion.rolled_back"
"""An earlier version is champion again; the payload says which, and why. Automations may listen to it."""

OWN: set[str] = set()
"""Addresses of the servers that this process started for itself."""

_logger = logging.getLogger(__name__)


class RollbackEvent(NamedTuple):
    """A rollback that the audit log knows of."""

    intent: str
    """Its id in the journal of the alias."""
    at: str
    left: str
    now: str
    reason: str


def configured() -> bool:
    """True where the user named a Prefect server; one that the command started for itself does not count."""
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value() not in (None, *OWN)


def suspended(flow_run: str) -> bool:
    """True where the server says that a run is suspended; False where it does not know it, or does not answer."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(UUID(flow_run)).state
    except (ObjectNotFound, httpx.HTTPError) as error:
        _logger.warning("run %s: %s", flow_run, error)
        return False
    return state is not None and state.is_paused()


def resume(flow_run: str | None, word: dict[str, object] | None = None) -> bool:
    """Resume a suspended run; False where there is none, or the server does not answer.

    Args:
        flow_run: its id, None where no run is suspended.
        word: the input that it waits for.
    """
    from prefect.exceptions import PrefectException
    from prefect.flow_runs import resume_flow_run

    if not configured() or flow_run is None or not suspended(flow_run):
        return False
    try:
        resume_flow_run(UUID(flow_run), run_input=word)
    except (RuntimeError, PrefectException, httpx.HTTPError) as error:
        _logger.warning("run %s could not be resumed: %s", flow_run, error)
        return False
    return True


def feedback_ready(workspace: Workspace, pending: int, threshold: int) -> bool:
    """Tell the configured server that `pending` records wait; True where it took the event.

    A server that does not answer is no error: the feedback is kept, and the schedule finds it.
    """
    return _sent(READY, _resource("rounds.inbox", workspace), {"pending": pending, "threshold": threshold})


def drifted(workspace: Workspace, alarms: Mapping[str, str]) -> bool:
    """Tell the configured server of the alarms that it does not know of; False where it did not take the event.

    The names of what it was told stand in data/watch/told.json: an alarm is one event, however its numbers change,
    and one that was lost is sent again.

    Args:
        workspace: where.
        alarms: name → sentence.
    """
    file = workspace.watched("told")
    told = read_json(file) if file.exists() else []
    new = [said for name, said in alarms.items() if name not in told]
    if new and not _sent(DRIFTED, _champion(workspace), {"alarms": new}):
        return False
    write_json(file, list(alarms))
    return True


def in_breach(workspace: Workspace, alarms: Sequence[str]) -> bool:
    """Tell the configured server that a guard is in breach, at each look; True where it took the event."""
    return _sent(IN_BREACH, _champion(workspace), {"alarms": list(alarms)})


def rolled_back(workspace: Workspace, left: str, now: str, reason: str) -> bool:
    """Tell the configured server that version `now` is champion again; True where it took the event."""
    payload = {"left": left, "now": now, "reason": reason}
    return _sent(ROLLED_BACK, _champion(workspace), payload)


def rollbacks(workspace: Workspace, moves: Iterable[RollbackEvent]) -> bool:
    """Tell the configured server of the rollbacks that it does not know of; False where it did not take one.

    Those that it was told of stand in data/watch/rollbacks.json, so that neither a kill nor a server that is away loses
    one; one that a kill has sent twice is one event, by its id.
    """
    file = workspace.watched("rollbacks")
    told = read_json(file) if file.exists() else []
    for move in moves:
        if move.intent not in told:
            payload = {"at": move.at, "left": move.left, "now": move.now, "reason": move.reason}
            if not _sent(ROLLED_BACK, _champion(workspace), payload, uuid5(NAMESPACE_OID, move.intent)):
                return False
            told.append(move.intent)
            write_json(file, told)
    return True


def _champion(workspace: Workspace) -> dict[str, str]:
    return _resource("rounds.champion", workspace)


def _resource(name: str, workspace: Workspace) -> dict[str, str]:
    return {"prefect.resource.id": name, "prefect.resource.name": str(workspace.root)}


def _sent(name: str, resource: dict[str, str], payload: Mapping[str, object], identity: UUID | None = None) -> bool:
    from prefect.client.orchestration import get_client
    from prefect.events import Event, Resource
    from prefect.settings import PREFECT_API_URL

    event = Event(event=name, resource=Resource(resource), payload=dict(payload), id=identity or uuid4())
    try:
        # emit_event() sends in the background and drops what it cannot send without a word
        with get_client(sync_client=True) as client:
            client.request("POST", "/events", json=[event.model_dump(mode="json")])
    except httpx.HTTPError as error:
        _logger.warning("the Prefect server at %s did not take the event: %s", PREFECT_API_URL.value(), error)
        return False
    return True
