"""The feedback database as the server uses it: opened at its first use, and again after it was away."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

from core.errors import BadFeedback, RoundsError
from serving.errors import ApiError, unavailable
from serving.latest import Latest
from tasks.state import feedback_database
from tasks.state.workspace import Workspace

if TYPE_CHECKING:
    from feedback.store.database import Database

Result = TypeVar("Result")

_logger = logging.getLogger(__name__)

THREADS = 32
"""Threads that use the database at once; others encode prompts."""

PROBED = 3.0
"""Seconds within which the database answers, or has a problem."""

LONGEST = {True: 15.0, False: 45.0}
"""Whether the database is on a server → seconds for which a request waits for it. SQLite's writers wait for each other
for up to 30 s, which is no fault; a server may accept connections and never answer."""

PATIENCE = 2.0
"""Seconds between two attempts to open a database that cannot be opened."""


class Storage:
    """The feedback database of a workspace. Methods may be called by any thread."""

    def __init__(self, workspace: Workspace) -> None:
        """Nothing is opened yet."""
        self._workspace = workspace
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._threads = anyio.CapacityLimiter(THREADS)
        self._database: Database | None = None
        self._failed: tuple[float, RoundsError] | None = None
        self._probe = Latest(self._probed, PROBED)
        self._longest = LONGEST[feedback_database.served()]

    def database(self) -> "Database":
        """The open database.

        Raises:
            RoundsError: it cannot be opened.
        """
        with self._lock:
            if self._database is None:
                if self._failed and time.monotonic() < self._failed[0] + PATIENCE:
                    raise self._failed[1]
                try:
                    self._database = self._stack.enter_context(feedback_database.opened(self._workspace))
                except RoundsError as error:
                    self._failed = time.monotonic(), error
                    raise
            return self._database

    async def run(self, work: Callable[["Database"], Result]) -> Result:
        """The result of a function that reads or writes the database, in a thread.

        A thread whose database hangs goes on when that answers again, and may store then what was given up here.

        Raises:
            ApiError: the database does not answer in time, or the workspace cannot be read; status 503.
            BadFeedback: what is to be stored cannot be.
        """
        with anyio.move_on_after(self._longest):
            return await anyio.to_thread.run_sync(
                lambda: self.run_here(work), limiter=self._threads, abandon_on_cancel=True
            )
        _logger.warning(
            "the feedback database has not answered for %.0f s; see whether its server hangs", self._longest
        )
        raise unavailable(
            f"the feedback database has not answered for {self._longest:.0f} s; try again when /health/ready says that "
            "it does (`database`), or have an operator look at its server",
            "no_database",
        )

    def run_here(self, work: Callable[["Database"], Result]) -> Result:
        """The same in this thread."""
        from feedback.store.database import NoDatabase

        try:
            database = self.database()
        except RoundsError as error:
            raise _away(error) from error
        try:
            return work(database)
        except NoDatabase as error:
            raise _away(error) from error
        except BadFeedback:
            raise
        except RoundsError as error:  # an invalid params.yaml, or a damaged file of the workspace
            raise unavailable(f"the workspace cannot be used: {error}", "bad_workspace", retry_after=30) from error

    def has_answer(self, response_id: str) -> bool:
        """Whether an answer is stored with its text.

        Raises:
            ApiError: the database does not answer; status 503.
        """
        from feedback.store import answers

        found = self.run_here(lambda database: answers.find(database, [response_id]))
        return response_id in found and not found[response_id].redacted

    async def problem(self) -> str | None:
        """Why the database cannot be used now; None if it answers.

        Raises:
            TimeoutError: it does not answer within `PROBED` seconds.
        """
        return await self._probe.result()

    def _probed(self) -> str | None:
        from feedback.store import keys

        try:
            keys.exist(self.database())
        except RoundsError as error:
            return str(error)
        return None

    def close(self) -> None:
        """Close all connections."""
        self._stack.close()


def _away(error: RoundsError) -> ApiError:
    """The reason is in the log only: it may contain addresses, and who asks may have no valid key."""
    _logger.warning("the feedback database cannot be used: %s", error)
    return unavailable("the feedback database cannot be used now; the server's log says why", "no_database")
