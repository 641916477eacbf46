"""Progress of a deployed round in the log of its worker: the same lines that a command prints to a file."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect import get_run_logger
from prefect.runtime import deployment

from tasks.rounds.progress_lines import ProgressLines
from tasks.rounds.running import SHOW, silent


@contextmanager
def reporting() -> Iterator[None]:
    """In a deployed run, log a line at the end of each step, and at most one per minute while it runs."""
    if deployment.id is None or SHOW.get() is not silent:
        yield
        return
    writer = ProgressLines(get_run_logger().info)
    token = SHOW.set(writer)
    try:
        yield
    except BaseException:
        writer.end("stopped after")
        raise
    finally:
        SHOW.reset(token)
    writer.end()
