"""Reporting is an argument: training loops take a `Log` and never learn who listens."""

from collections.abc import Mapping
from typing import Protocol


class Log(Protocol):
    """Receives metrics of one step of a loop, and how far the loop is."""

    def __call__(self, metrics: Mapping[str, float], step: int, total: int | None = None, /) -> None:
        """Report metrics at `step` (from 0) of `total` steps."""


def ignore(metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
    """Listen to nothing."""
