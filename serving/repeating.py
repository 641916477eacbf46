"""Work that the server does again and again by itself, in a thread of its own."""

import logging
import threading
from abc import ABC, abstractmethod

from core.errors import RoundsError
from serving.errors import ApiError

_logger = logging.getLogger(__name__)


class Repeating(ABC):
    """A thread that looks at once, and then again and again, whether there is something to do.

    Args:
        name: of the thread.
        every: seconds between two looks.
        failure: what the log says of a look that failed; the next one may succeed.
    """

    def __init__(self, name: str, every: float, failure: str) -> None:
        """Nothing is done before `start`."""
        self._every, self._failure = every, failure
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Look now, and from now on."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join()

    @abstractmethod
    def look(self) -> int:
        """Do what there is to do; returns how much it was."""

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except ApiError as error:
                _logger.warning("%s: %s", self._failure, error.message)
            except RoundsError as error:
                _logger.warning("%s: %s", self._failure, error)
            except Exception:
                _logger.exception("%s", self._failure)
            if self._closed.wait(self._every):
                return
