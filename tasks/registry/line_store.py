"""The part of MLflow that has one line of models: opened at its first use, so that what only reads creates nothing."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.state.line import ModelLine
from tasks.tools import lines, tracking

if TYPE_CHECKING:
    from tasks.tools.tracking import MlflowClient


class LineStore:
    """What reads or writes the runs and versions of one line."""

    def __init__(self, root: Path, line: ModelLine | None = None) -> None:
        """Nothing is asked yet.

        Args:
            root: the workspace.
            line: the line; by default the workspace's.
        """
        self.root = root
        self._line = line

    @cached_property
    def store(self) -> "MlflowClient":
        """MLflow's client. A database is created with it, so what only reads asks `unused` first.

        Raises:
            NoTracking: MLflow does not answer.
        """
        return tracking.client(self.root)

    @property
    def unused(self) -> bool:
        """True if there is no database yet, and so neither runs nor versions."""
        return "store" not in self.__dict__ and not tracking.exists(self.root)

    def copied(self) -> str | None:
        """That the workspace is a copy of one that may still be in use, and the choice; None if not. Writes nothing."""
        local = tracking.is_local(self.root)  # its copy has a database of its own
        return None if local or self.unused else lines.copied(self.store, self.root)

    @property
    def line(self) -> ModelLine:
        """The line."""
        if self._line is None and self.unused:
            return lines.unasked(self.root)
        self._line = self._line or lines.working(self.store, self.root)
        return self._line
