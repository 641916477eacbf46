"""What the server does by itself for annotators: fill the labelling queue `main`."""

import logging
import time

from serving.repeating import Repeating
from serving.storage import Storage
from tasks.people import label_autofill
from tasks.people.label_settings import LabelSettings
from tasks.state import records
from tasks.state.workspace import Workspace

EVERY = 30.0
"""Seconds between two looks."""

AGAIN = 3600.0
"""Seconds until answers are read again in which there was nothing new, if no round has finished since."""

_logger = logging.getLogger(__name__)


class LabelFiller(Repeating):
    """A thread that keeps the labelling queue `main` filled."""

    def __init__(self, workspace: Workspace, storage: Storage, settings: LabelSettings) -> None:
        """Nothing is added before `start`."""
        super().__init__("filler", EVERY, "the labelling queue was not filled")
        self._workspace, self._storage, self._settings = workspace, storage, settings
        self._exhausted: tuple[list[int], float] | None = None

    def look(self) -> int:
        """Add items if some are missing and there may be answers; returns the number of items.

        Raises:
            ApiError: the database does not answer, or the workspace cannot be read.
        """
        finished = records.numbers(self._workspace)
        if not self._settings.fill or self._is_exhausted(finished):
            return 0
        filled = self._storage.run_here(
            lambda database: label_autofill.fill(self._workspace, database, self._settings),
        )
        self._exhausted = (finished, time.monotonic()) if filled.missing else None
        if filled.new:
            _logger.info("added %d pairs to the labelling queue %s", filled.new, label_autofill.QUEUE)
        return filled.new

    def _is_exhausted(self, finished: list[int]) -> bool:
        """Whether all answers were added, and there can hardly be new ones."""
        if self._exhausted is None:
            return False
        rounds, at = self._exhausted
        return rounds == finished and time.monotonic() < at + AGAIN
