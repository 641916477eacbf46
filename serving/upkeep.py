"""What the server does by itself: remove answers that are older than the retention, and their traces in MLflow."""

import logging
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.errors import RoundsError
from serving.errors import ApiError
from serving.storage import Storage
from tasks.tools import traces

EVERY = 3600.0
"""Seconds between two looks."""

_logger = logging.getLogger(__name__)


class Upkeep:
    """A thread that looks after the database, and after the traces in MLflow."""

    def __init__(self, root: Path, storage: Storage, retention_days: float | None) -> None:
        """Nothing is removed before `start`."""
        self._root, self._storage, self._days = root, storage, retention_days
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        """Look now, and every hour."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join()

    def look(self) -> int:
        """Remove what is too old; returns the number of answers.

        Raises:
            ApiError: the database does not answer.
            NoTracking: MLflow does not answer; the answers are removed from the database.
        """
        if self._days is None:
            return 0
        from feedback.store import answers

        before = datetime.now(UTC) - timedelta(days=self._days)
        count = self._storage.run_here(lambda database: answers.expire(database, before, write=True))
        traces.expire(self._root, before, write=True)
        return count

    def _run(self) -> None:
        while True:
            try:
                if count := self.look():
                    _logger.info("removed %d answers that are older than %g days", count, self._days)
            except ApiError as error:
                _logger.warning("old answers were not removed: %s", error.message)
            except RoundsError as error:
                _logger.warning("traces of old answers were not removed from MLflow: %s", error)
            except Exception:  # the next look may succeed
                _logger.exception("old answers were not removed")
            if self._closed.wait(EVERY):
                return
