"""Progress of a deployed round: in the log of its worker, as a command prints it to a file, and as an artifact."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prefect import get_run_logger
from prefect.runtime import deployment

from core.log import Log
from flows.orchestration.artifacts import RoundProgress
from tasks.rounds.progress_lines import ProgressLines
from tasks.rounds.running import SHOW, silent
from tasks.state.workspace import Workspace


@contextmanager
def reporting(workspace: Workspace) -> Iterator[None]:
    """In a deployed run, log a line at the end of each step, and at most one per minute while it runs; move the
    progress artifact."""
    if deployment.id is None or SHOW.get() is not silent:
        yield
        return
    writer, artifact = ProgressLines(get_run_logger().info), RoundProgress(workspace)

    def show(title: str, step: str) -> Log:
        logs = writer(title, step), artifact(title, step)

        def log(metrics: Mapping[str, float], at: int, total: int | None = None) -> None:
            for each in logs:
                each(metrics, at, total)

        return log

    token = SHOW.set(show)
    try:
        yield
    except BaseException:
        writer.end("stopped after")
        raise
    finally:
        SHOW.reset(token)
    writer.end()
    artifact.end()
