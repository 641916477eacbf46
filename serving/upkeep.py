"""What the server does by itself: remove answers that are older than the retention, with all that was made of them.

Those are their traces in MLflow, items of labelling queues, and what rounds collected of their prompts. Feedback on
them stays.
"""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

from serving.repeating import Repeating
from serving.storage import Storage
from tasks.history import collected_prompts
from tasks.state.workspace import Workspace
from tasks.tools import traces

EVERY = 3600.0
"""Seconds between two looks."""

_logger = logging.getLogger(__name__)


class Upkeep(Repeating):
    """A thread that looks after the database, the traces in MLflow, and what rounds collected."""

    def __init__(self, root: Path, storage: Storage, retention_days: float | None) -> None:
        """Nothing is removed before `start`."""
        super().__init__("upkeep", EVERY, "old answers, or what was made of them, were not removed")
        self._root, self._storage, self._days = root, storage, retention_days

    def look(self) -> int:
        """Remove what is too old; returns the number of answers.

        Raises:
            ApiError: the database does not answer.
            RoundsError: MLflow does not answer, or a file of the workspace cannot be read; the answers are removed.
        """
        if self._days is None:
            return 0
        from feedback.store import answers, label_queues

        before = datetime.now(UTC) - timedelta(days=self._days)
        count = self._storage.run_here(lambda database: answers.expire(database, before, write=True))
        if count:
            _logger.info("removed %d answers that are older than %g days", count, self._days)
        self._storage.run_here(label_queues.erase_expired)
        for line in collected_prompts.remove(Workspace(self._root)).sentences:
            _logger.info(line)
        traces.expire(self._root, before, write=True)
        return count
