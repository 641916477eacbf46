"""What the server does by itself: remove answers that are older than the retention, and their traces in MLflow."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

from serving.repeating import Repeating
from serving.storage import Storage
from tasks.tools import traces

EVERY = 3600.0
"""Seconds between two looks."""

_logger = logging.getLogger(__name__)


class Upkeep(Repeating):
    """A thread that looks after the database, and after the traces in MLflow."""

    def __init__(self, root: Path, storage: Storage, retention_days: float | None) -> None:
        """Nothing is removed before `start`."""
        super().__init__("upkeep", EVERY, "old answers or their traces were not removed")
        self._root, self._storage, self._days = root, storage, retention_days

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
        if count:
            _logger.info("removed %d answers that are older than %g days", count, self._days)
        traces.expire(self._root, before, write=True)
        return count
