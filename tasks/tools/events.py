"""Calls to a Prefect server: send events, resume suspended runs.

Events can be lost, so a schedule backs up each of them. Importing Prefect takes seconds, so functions import it.
"""

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

from core.files import read_json, write_json
from core.shown import noted
from tasks.state.workspace import Workspace
from tasks.tools import lines
from tasks.tools.prefect_api import NoPrefect, address, asking, configured

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

READY = "feedback.threshold_reached"
"""Event: enough feedback waits to start a round. The trigger is in prefect.yaml."""

ON_CHAMPION = "feedback.on_champion"
"""Event: people judged the champion's answers; `tasks.tools.announcing` sends it. The trigger is in prefect.yaml."""

DRIFTED = "champion.drifted"
"""Event: drift from the champion's training data; the payload lists the alarms. For user-defined automations."""

IN_BREACH = "champion.in_breach"
"""Event: a guard is in breach and the champion was not rolled back; the payload says why. For automations."""

ROLLED_BACK = "champion.rolled_back"
"""Event: the champion was rolled back; the payload has both versions and the reason. For automations."""

LINE = "rounds.line"
"""Label of an event's resource: the name of the line, see `tasks.tools.lines.label`. The payload has it as `line`."""

TOTAL = 10.0
"""Seconds for all requests of one call: people wait for it, and a server may accept connections and never answer."""

_logger = logging.getLogger(__name__)


class RollbackEvent(NamedTuple):
    """A rollback recorded in the audit log."""

    intent: str
    """Id of the move in the journal of the alias."""
    at: str
    left: str
    now: str
    reason: str


class Resumption(NamedTuple):
    """What came of resuming a run."""

    resumed: bool
    problem: str = ""
    """Which server does not answer or refuses, and what to do; empty if no run is suspended, or it was resumed."""


def suspended(flow_run: str) -> bool:
    """True if the server reports the run as suspended; False if it does not know the run or does not answer."""
    try:
        with asking(TOTAL) as client:
            return _is_suspended(client, flow_run)
    except NoPrefect as error:
        _logger.warning("the state of Prefect run %s cannot be read: %s", flow_run, error)
        return False


def resume(flow_run: str | None, run_input: dict[str, object] | None = None) -> Resumption:
    """Resume a suspended run.

    Args:
        flow_run: id of the run; None if no run is suspended.
        run_input: the input that the run waits for.
    """
    if flow_run is None or not configured():
        return Resumption(False)
    try:
        with asking(TOTAL) as client:
            if not _is_suspended(client, flow_run):
                return Resumption(False)
            answer = client.resume_flow_run(UUID(flow_run), run_input=run_input)
    except NoPrefect as error:
        _logger.warning("Prefect run %s could not be resumed: %s", flow_run, error)
        return Resumption(False, str(error))
    if answer.status.value != "ACCEPT":
        reason = getattr(answer.details, "reason", None) or "it gives no reason"
        _logger.warning("Prefect run %s could not be resumed: %s", flow_run, reason)
        return Resumption(False, f"the Prefect server at {address()} did not resume run {flow_run}: {reason}")
    return Resumption(True)


def _is_suspended(client: "SyncPrefectClient", flow_run: str) -> bool:
    from prefect.exceptions import ObjectNotFound

    try:
        state = client.read_flow_run(UUID(flow_run)).state
    except ObjectNotFound:
        return False
    return state is not None and state.is_paused()


def resume_later(flow_run: str | None) -> None:
    """Have a thread resume a suspended run: who gave the last vote must not wait for the server.

    If the run is not resumed, the schedule of rounds continues its round.
    """
    threading.Thread(target=resume, args=(flow_run,), name="resuming", daemon=True).start()


def send_feedback_ready(workspace: Workspace, pending: int, threshold: int) -> bool:
    """Send the event that `pending` records wait; True if the configured server accepted it.

    A server that does not answer is not an error: the feedback is on disk, and the schedule will find it.
    """
    return _send(READY, _resource("rounds.inbox", workspace), {"pending": pending, "threshold": threshold})


def send_feedback_on_champion(workspace: Workspace, champion: str) -> bool:
    """Send the event that there is live feedback on the champion; True if the configured server accepted it.

    A server that does not answer is not an error: the hourly schedule of `drift-watch` looks at the feedback.
    """
    return _send(ON_CHAMPION, _resource("rounds.live", workspace), {"champion": champion})


def send_drift_alarms(workspace: Workspace, alarms: Mapping[str, str]) -> bool:
    """Send the alarms that were not sent yet; False if the configured server did not accept the event.

    data/watch/told.json holds the names of the alarms that were sent. An alarm is sent once even if its numbers change,
    and is sent again if the server did not accept it.

    Args:
        workspace: the workspace that is watched.
        alarms: name → sentence, for all current alarms.
    """
    file = workspace.watched("told")
    sent = read_json(file) if file.exists() else []
    new = [sentence for name, sentence in alarms.items() if name not in sent]
    if new and not _send(DRIFTED, _champion(workspace), {"alarms": new}):
        return False
    write_json(file, list(alarms))
    return True


def send_breach(workspace: Workspace, alarms: Sequence[str]) -> bool:
    """Send the event that a guard is in breach; True if the configured server accepted it."""
    return _send(IN_BREACH, _champion(workspace), {"alarms": list(alarms)})


def send_rollback(workspace: Workspace, left: str, now: str, reason: str) -> bool:
    """Send the event that version `now` is champion again; True if the configured server accepted it."""
    payload = {"left": left, "now": now, "reason": reason}
    return _send(ROLLED_BACK, _champion(workspace), payload)


def send_unsent_rollbacks(workspace: Workspace, moves: Iterable[RollbackEvent]) -> bool:
    """Send the rollbacks that were not sent yet; False if the configured server did not accept one of them.

    data/watch/rollbacks.json lists the rollbacks that were sent, so that none is lost when the process is killed or the
    server is down. A rollback that is sent twice has the same event id both times.
    """
    file = workspace.watched("rollbacks")
    sent = read_json(file) if file.exists() else []
    for move in moves:
        if move.intent not in sent:
            payload = {"at": move.at, "left": move.left, "now": move.now, "reason": move.reason}
            if not _send(ROLLED_BACK, _champion(workspace), payload, uuid5(NAMESPACE_OID, move.intent)):
                return False
            sent.append(move.intent)
            write_json(file, sent)
    return True


def _noted(value: Any) -> Any:
    """The payload with its texts as notes."""
    match value:
        case str():
            return noted(value)
        case dict():
            return {name: _noted(inner) for name, inner in value.items()}
        case list():
            return [_noted(inner) for inner in value]
    return value


def _champion(workspace: Workspace) -> dict[str, str]:
    return _resource("rounds.champion", workspace)


def _resource(name: str, workspace: Workspace) -> dict[str, str]:
    """The resource of an event. Triggers match its id, and its line where they are about one line only."""
    line = lines.label(workspace.root)
    return {"prefect.resource.id": name, "prefect.resource.name": str(workspace.root), LINE: line}


def _send(name: str, resource: dict[str, str], payload: Mapping[str, object], event_id: UUID | None = None) -> bool:
    from prefect.events import Event, Resource

    about = _noted({**payload, "line": resource[LINE]})
    event = Event(event=name, resource=Resource(resource), payload=about, id=event_id or uuid4())
    try:
        # emit_event() sends in the background and silently drops events that it cannot send
        with asking(TOTAL) as client:
            client.request("POST", "/events", json=[event.model_dump(mode="json")])
    except NoPrefect as error:
        _logger.warning("the event %s was not sent: %s", name, error)
        return False
    return True
