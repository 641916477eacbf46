"""Progress of a running step: metrics, step numbers, and the time spent on training."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from core.log import Log
from tasks.state.usage import StepUsage


class StepLog:
    """A `Log` that forwards to its listeners, and a timer for training, sampling and judging."""

    def __init__(self, listeners: Sequence[Log] = ()) -> None:
        self._listeners = list(listeners)
        self._learned = 0.0
        self._since: float | None = None
        self.rank_memory = 0
        """Highest resident memory of a process that the step has started, in bytes; 0 if it has started none."""
        self.elsewhere: StepUsage | None = None
        """What the step has used on another machine; None if it runs here."""

    @property
    def learning_seconds(self) -> float:
        """Time spent on training, sampling or judging so far; the rest of a step is reading and writing data."""
        return self._learned + (0.0 if self._since is None else time.perf_counter() - self._since)

    def add(self, listener: Log) -> None:
        """Forward to one more listener."""
        self._listeners.append(listener)

    def __call__(self, metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        """Report metrics at `step` of `total`."""
        for listener in self._listeners:
            listener(metrics, step, total)

    def note_rank(self, learning: float, memory: int) -> None:
        """What a process that the step has started has used so far: seconds of training, bytes of memory."""
        self._learned, self.rank_memory = learning, max(self.rank_memory, memory)

    def note_elsewhere(self, used: StepUsage, learning: float) -> None:
        """What the step has used on another machine so far, with the seconds of training of its present attempt."""
        self.elsewhere, self._learned = used, learning

    @contextmanager
    def learning(self) -> Iterator[None]:
        """Add the duration of the block to `learning_seconds`."""
        self._since = time.perf_counter()
        try:
            yield
        finally:
            self._learned, self._since = self.learning_seconds, None
