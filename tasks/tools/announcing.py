"""Live feedback on the champion is announced to Prefect, so that a bad champion need not wait for the hourly watch.

An announcement starts a watch. Until that watch begins to read feedback, `data/watch/announced.json` exists and nothing
else is announced: the watch will see all that is stored meanwhile. So at most one watch is on its way, and none is
missing. What takes time is done in a thread: a server that is away must not slow the storing of feedback.
"""

import json
import logging
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from core.errors import RoundsError
from core.files import create_text, read_json
from feedback import live
from feedback.schema import FeedbackEvent
from tasks.state import feedback_database
from tasks.state.workspace import Workspace
from tasks.tools import events as prefect_events
from tasks.tools import lines, prefect_api, tracking

LOST = 600.0
"""Seconds after which an announcement without a watch counts as lost; then feedback is announced again."""

GATHERED = 1.0
"""Seconds for which judgements are gathered before one look at them: many may arrive at once."""

NEWEST = 500
"""Events among which the judgements of the champion are counted, the newest: the database keeps all that ever arrived.
Where they are fewer than the guards need, feedback is slow, and the hourly watch is soon enough."""

_logger = logging.getLogger(__name__)

_judged: dict[Path, set[str]] = {}
"""Workspace → the versions that were judged since a thread last looked."""

_gathering, _looking = threading.Lock(), threading.Lock()


def stored(workspace: Workspace, events: Sequence[FeedbackEvent]) -> None:
    """Have a thread announce the champion's feedback, if any of these events, just stored, judges a policy version."""
    versions = {version for event in events for version in live.versions(event)}
    if not versions or _announced(workspace):
        return
    with _gathering:
        begun = workspace.root in _judged
        _judged.setdefault(workspace.root, set()).update(versions)
    if not begun:
        threading.Thread(target=_look, args=(workspace,), name="announcing", daemon=True).start()


def announce(workspace: Workspace, versions: set[str]) -> bool:
    """Announce feedback on these versions, if the champion is one of them; True if the server accepted the event.

    Nothing is announced without a server, while an earlier announcement waits for its watch, and while there are fewer
    judgements of the champion than any guard needs.

    Raises:
        RoundsError: MLflow or the feedback database does not answer.
    """
    if not prefect_api.configured() or _announced(workspace):
        return False
    champion = _champion(workspace)
    if champion not in versions or not _enough(workspace, champion):
        return False
    note = workspace.watched("announced")
    note.unlink(missing_ok=True)  # one that was lost
    if not create_text(note, json.dumps({"champion": champion, "at": datetime.now(UTC).isoformat()})):
        return False  # another process was faster
    return prefect_events.send_feedback_on_champion(workspace, champion)


def begin_watch(workspace: Workspace) -> None:
    """A watch is about to read feedback: what is stored from now on is announced again."""
    workspace.watched("announced").unlink(missing_ok=True)


def _look(workspace: Workspace) -> None:
    time.sleep(GATHERED)
    with _looking:
        with _gathering:
            versions = _judged.pop(workspace.root)
        try:
            announce(workspace, versions)
        except (RoundsError, OSError) as error:
            _logger.warning("live feedback on the champion was not announced: %s", error)


def _announced(workspace: Workspace) -> bool:
    """Whether a watch was announced that has not begun."""
    try:
        return time.time() - workspace.watched("announced").stat().st_mtime < LOST
    except FileNotFoundError:
        return False


def _champion(workspace: Workspace) -> str | None:
    if not tracking.exists(workspace.root):
        return None
    store = tracking.client(workspace.root)
    with tracking.answering(workspace.root):
        line = lines.line_of(store, workspace.root)
        return tracking.aliased(store, line.model("policy")) if line else None


def _enough(workspace: Workspace, champion: str) -> bool:
    from feedback.store import arrivals  # only here: SQLAlchemy takes a second to load

    needed = _needed(workspace)
    with feedback_database.opened(workspace) as database:
        for event in arrivals.newest(database, NEWEST):
            needed -= champion in live.versions(event)
            if needed <= 0:
                return True
    return False


def _needed(workspace: Workspace) -> int:
    """The smallest minimum of the guards, as the last watch noted it: only the watch reads their knobs."""
    file = workspace.watched("guards")
    return int(read_json(file).get("minimum", 1)) if file.exists() else 1
