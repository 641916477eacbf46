"""The latest result of work that may hang: one thread does it, however many requests ask, and none waits for long."""

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Latest(Generic[Result]):
    """The latest result of a function. Work that hangs takes this one thread, and none of those that serve requests."""

    def __init__(
        self,
        work: Callable[[], Result],
        patience: float,
        fresh: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is done yet.

        Args:
            work: what gives the result.
            patience: seconds for which a request waits for it.
            fresh: seconds after its end for which a result, or an error, is given again.
            clock: seconds, which never go back.
        """
        self._work, self._patience, self._fresh, self._clock = work, patience, fresh, clock
        self._lock = threading.Lock()
        self._future: Future[Result] | None = None
        self._until = 0.0
        """When the last result is too old."""

    async def result(self) -> Result:
        """The result; that of work which is being done when this is called, if there is any.

        Raises:
            TimeoutError: the work has not ended in time; it goes on, and nothing else is begun meanwhile.
            Exception: what the work raised.
        """
        return await asyncio.wait_for(asyncio.wrap_future(self._current()), self._patience)

    def forget(self) -> None:
        """Do the work anew at the next call, unless it is being done."""
        with self._lock:
            self._until = 0.0

    def _current(self) -> "Future[Result]":
        with self._lock:
            if self._future is None or (self._future.done() and self._clock() >= self._until):
                self._future = Future()
                self._future.set_running_or_notify_cancel()  # whoever waits no longer must not cancel it
                run = contextvars.copy_context().run  # as in all threads that serve requests
                threading.Thread(target=run, args=(self._run, self._future), name="latest", daemon=True).start()
            return self._future

    def _run(self, future: "Future[Result]") -> None:
        try:
            result = self._work()
        except BaseException as error:
            self._end()
            future.set_exception(error)
        else:
            self._end()
            future.set_result(result)

    def _end(self) -> None:
        with self._lock:
            self._until = self._clock() + self._fresh
