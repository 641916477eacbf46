"""What a step says while it works: metrics, how far it is, and how long it learned."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from core.log import Log


class StepLog:
    """A `Log` that passes everything on to its listeners, and a stopwatch for the part that is learning."""

    def __init__(self, listeners: Sequence[Log] = ()) -> None:
        self.learned = 0.0
        """Seconds spent learning, sampling or judging; the rest of a step's time is bookkeeping."""
        self._listeners = listeners

    def __call__(self, metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        """Report metrics at `step` of `total`."""
        for listener in self._listeners:
            listener(metrics, step, total)

    @contextmanager
    def learning(self) -> Iterator[None]:
        """Time a block as learning, sampling or judging."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.learned += time.perf_counter() - start
