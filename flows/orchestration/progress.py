"""How far a deployed round is, in its worker's log: the lines that a command prints where nobody watches."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect import get_run_logger
from prefect.runtime import deployment

from tasks.rounds.lines import Lines
from tasks.rounds.running import SHOW, silent


@contextmanager
def reporting() -> Iterator[None]:
    """Write a line at the start and end of each step to a deployed run's log, and at most one a minute between."""
    if deployment.id is None or SHOW.get() is not silent:
        yield
        return
    written = Lines(get_run_logger().info)
    shown = SHOW.set(written)
    try:
        yield
    except BaseException:
        written.end("stopped")
        raise
    finally:
        SHOW.reset(shown)
    written.end()
