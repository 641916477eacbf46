"""Enough usable feedback is announced to Prefect, so that the next round need not wait for the 15-minute schedule.

How many records are usable is known only when all that wait are read, which takes longer than storing one. So a thread
counts, once for all that arrive meanwhile, and only if as many records wait as start a round, usable or not. A record
that arrives while it counts makes it count again.
"""

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from core.errors import RoundsError
from tasks.state import intake, records
from tasks.state.readiness import readiness
from tasks.state.workspace import Workspace
from tasks.tools import events, prefect_api

GATHERED = 1.0
"""Seconds for which records are gathered before they are counted: many may arrive at once."""

REST = 20.0
"""Multiple of the time that a count took for which the next one waits: counting takes at most a twentieth of the time,
however many records wait."""

_UNKNOWN = "it is not known whether enough feedback waits for a round: %s"

_logger = logging.getLogger(__name__)


class _Announced(NamedTuple):
    """What was announced of a workspace."""

    finished: int
    """Number of rounds that had finished."""
    multiple: int
    """The usable records divided by the threshold, rounded down."""


_announced: dict[Path, _Announced] = {}

_counting: dict[Path, threading.Thread] = {}
"""Workspace → the thread that will count its records, and has not begun to."""

_rested: dict[Path, float] = {}
"""Workspace → when its records may be counted again (`time.monotonic`)."""

_noting, _looking = threading.Lock(), threading.Lock()


def stored(workspace: Workspace) -> None:
    """Have a thread announce that enough usable records wait, now that new ones were stored."""
    with _noting:
        if workspace.root in _counting:
            return
        thread = threading.Thread(target=_look, args=(workspace,), name="announcing readiness", daemon=True)
        _counting[workspace.root] = thread
    thread.start()


def announce(workspace: Workspace) -> bool:
    """Announce the usable records that wait, if they have reached the threshold; True if the server accepted the event.

    Until a round has finished, they are announced again at each further multiple of the threshold, in case an event was
    lost. Nothing is announced without a server.

    Raises:
        RoundsError: the feedback or params.yaml cannot be read.
    """
    if not prefect_api.configured():
        return False
    finished, every = len(records.numbers(workspace)), intake.count(workspace)
    usable = readiness(workspace).usable if every.enough else 0
    before = _announced.get(workspace.root)
    _announced[workspace.root] = now = _Announced(finished, usable // every.threshold)
    if now.multiple <= (before.multiple if before and before.finished == finished else 0):
        return False
    return events.send_feedback_ready(workspace, usable, every.threshold)


def announce_after_round(workspace: Workspace, overrides: Sequence[str]) -> None:
    """Announce the usable records that arrived while a round ran, if they start the next one.

    If they cannot be read, that is a line in the log, and the schedule looks again: the round has finished all the
    same.
    """
    if not prefect_api.configured():
        return
    try:
        waiting = readiness(workspace, overrides)
    except (RoundsError, OSError) as error:
        _logger.warning(_UNKNOWN, error)
        return
    if waiting.ready:
        events.send_feedback_ready(workspace, waiting.usable, waiting.threshold)


def _look(workspace: Workspace) -> None:
    time.sleep(max(GATHERED, _rested.get(workspace.root, 0.0) - time.monotonic()))
    with _looking:
        with _noting:
            del _counting[workspace.root]
        begun = time.monotonic()
        try:
            announce(workspace)
        except (RoundsError, OSError) as error:
            _logger.warning(_UNKNOWN, error)
        now = time.monotonic()
        _rested[workspace.root] = now + REST * (now - begun)
