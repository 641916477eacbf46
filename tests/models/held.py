"""Keeps the thread of a decoder between two steps, so that a test can act while an answer is being written."""

import threading
from types import TracebackType

from models.concurrent import ConcurrentDecoder

SECONDS = 60


class Held:
    """Holds a decoder from here to `release`, or to the end of a block."""

    def __init__(self, decoder: ConcurrentDecoder) -> None:
        self._go, entered = threading.Event(), threading.Event()

        def wait() -> None:
            entered.set()
            self._go.wait(SECONDS)

        self._done = decoder.call(wait)
        assert entered.wait(SECONDS)

    def release(self) -> None:
        """Let it go on."""
        self._go.set()
        self._done.result(SECONDS)

    def __enter__(self) -> "Held":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
