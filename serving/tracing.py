"""Answers as traces in MLflow, where that is switched on: written by a thread, so that no answer waits for MLflow.

An answer may be removed while its trace waits or is written. So the database is asked afterwards whether it still has
the answer. Whoever removes answers removes them from the database first, and then their traces.
"""

import logging
import queue
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from core.errors import RoundsError
from feedback.forgotten import pseudonym
from feedback.store.answers import ServedAnswer
from tasks.tools import lines, traces, tracking
from tasks.tools.traces import AnsweredTrace

MOST = 1000
"""Answers that wait to be written; more are left out."""

_logger = logging.getLogger(__name__)


class Tracer:
    """Writes traces. Without MLflow they are lost: the database has the answers.

    Args:
        root: the workspace's folder.
        enabled: whether anything is written.
        kept: whether the answer with an id is in the database, with its text.
    """

    def __init__(self, root: Path, enabled: bool, kept: Callable[[str], bool]) -> None:
        """Nothing is written before `start`."""
        self._root, self._enabled, self._kept = root, enabled, kept
        self._waiting: queue.Queue[ServedAnswer | None] = queue.Queue(MOST)
        self._thread = threading.Thread(target=self._run, name="tracer", daemon=True)

    def start(self) -> None:
        """Begin to write, if it is switched on."""
        if self._enabled:
            self._thread.start()

    def trace(self, answer: ServedAnswer) -> None:
        """Write an answer later; it is left out if too many wait."""
        if self._enabled:
            try:
                self._waiting.put_nowait(answer)
            except queue.Full:
                _logger.warning("no trace of %s: %d answers wait for MLflow", answer.response_id, MOST)

    def close(self) -> None:
        """Write what waits, and end the thread."""
        if self._enabled:
            self._waiting.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (answer := self._waiting.get()) is not None:
            try:
                self._write(answer)
                if not self._kept(answer.response_id):
                    traces.remove(self._root, traces.RESPONSE, answer.response_id, write=True)
                    traces.compact(self._root)
            except RoundsError as error:
                _logger.warning("no trace of %s: %s", answer.response_id, error)
            except Exception:
                _logger.exception("no trace of %s", answer.response_id)

    def _write(self, answer: ServedAnswer) -> None:
        line = lines.working(tracking.client(self._root), self._root)
        tags = {
            "version": answer.version,
            traces.RESPONSE: answer.response_id,
            traces.ASKER: pseudonym(answer.annotator),
            "finish": answer.finish,
        }
        messages = [turn.model_dump() for turn in answer.prompt]
        times = _nanoseconds(answer.asked_at), _nanoseconds(answer.answered_at)
        traces.write(self._root, line.answers, AnsweredTrace("chat", messages, answer.text, tags, *times))


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1e9)
