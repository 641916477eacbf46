"""Training loops report through a `Log` that is passed in: they do not know where the metrics go."""

from collections.abc import Mapping
from typing import Protocol


class Log(Protocol):
    """Receives the metrics of one step of a loop, and the loop's progress."""

    def __call__(self, metrics: Mapping[str, float], step: int, total: int | None = None, /) -> None:
        """Report metrics at `step` (from 0) of `total` steps."""


def ignore(metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
    """A `Log` that discards everything."""


def progress_only(log: Log) -> Log:
    """A `Log` that forwards the progress of a loop, and discards its metrics."""
    return lambda metrics, step, total=None: log({}, step, total)
