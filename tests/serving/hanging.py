"""Something that is asked and does not answer before it is ended."""

import threading
from typing import NoReturn


class Hanging:
    """A function that hangs."""

    def __init__(self) -> None:
        self.asked = 0
        self._ended = threading.Event()

    def __call__(self) -> NoReturn:
        self.asked += 1
        assert self._ended.wait(60)
        raise OSError("it was ended")

    def end(self) -> None:
        """Let all who wait go."""
        self._ended.set()
