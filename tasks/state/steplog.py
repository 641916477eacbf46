"""Progress of a running step: metrics, step numbers, and the time spent on training."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from core.log import Log


class StepLog:
    """A `Log` that forwards to its listeners, and a timer for training, sampling and judging."""

    def __init__(self, listeners: Sequence[Log] = ()) -> None:
        self.learning_seconds = 0.0
        """Time spent on training, sampling or judging; the rest of a step is reading and writing data."""
        self._listeners = listeners

    def __call__(self, metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        """Report metrics at `step` of `total`."""
        for listener in self._listeners:
            listener(metrics, step, total)

    @contextmanager
    def learning(self) -> Iterator[None]:
        """Add the duration of the block to `learning_seconds`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.learning_seconds += time.perf_counter() - start
