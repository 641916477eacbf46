"""What a round leaves on its run in the Prefect UI: progress, a link to its MLflow run, its gates, a summary.

Keys begin with the name of the line, so that each is one artifact whose versions are the rounds of the line. Only on a
server that a user configured: nobody looks at a temporary one. A server that does not answer never stops a round.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import cast
from uuid import UUID

import httpx
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run
from prefect.utilities.urls import url_for

from core.log import Log
from tasks.pages import round as pages
from tasks.pages.markdown import escaped
from tasks.rounds.running import RunningRound
from tasks.state.records import RoundRecord
from tasks.state.steps import BOOTSTRAP, STEPS
from tasks.state.workspace import Workspace
from tasks.tools import lines
from tasks.tools.prefect_api import configured

EVERY = 5.0
"""Seconds between two updates of the progress; one takes 20 ms."""

_logger = logging.getLogger(__name__)


def key(workspace: Workspace, what: str) -> str:
    """The key of an artifact: lower-case letters, digits and dashes."""
    return re.sub("[^a-z0-9]+", "-", f"{lines.label(workspace.root)} round {what}".lower()).strip("-")


def link(running: RunningRound) -> None:
    """Link the round's MLflow run and this run of Prefect with each other, as far as their addresses are known."""
    if not _wanted():
        return
    if page := url_for("flow-run", obj_id=str(flow_run.id)):
        running.run.link_prefect(page)
    if url := running.run.url:
        number, name = running.round.number, key(running.round.workspace, "in-mlflow")
        about = f"The MLflow run of round {number}: parameters, metrics, cards."
        _tolerating(lambda: create_link_artifact(url, f"round {number} in MLflow", key=name, description=about))


def leave(running: RunningRound, record: RoundRecord) -> None:
    """Leave the summary of a finished round and its gates, and repeat the link, which the note of the run has lost."""
    if not _wanted():
        return
    workspace, title = running.round.workspace, f"Round {record.number}: {record.verdict.result}"
    text = pages.summary(record, running.run.url, running.run.page)
    _tolerating(lambda: create_markdown_artifact(text, key=key(workspace, "summary"), description=title))
    if rows := pages.gates(record.verdict):
        _tolerating(lambda: create_table_artifact(rows, key=key(workspace, "gates"), description=title))
    if page := url_for("flow-run", obj_id=str(flow_run.id)):
        running.run.link_prefect(page)


def skip(workspace: Workspace, reason: str) -> None:
    """Leave the reason why no round was run."""
    if not _wanted():
        return
    text = f"# No round\n\n{escaped(reason[:1].upper() + reason[1:])}."
    about = "Why the last nightly run started no round."
    _tolerating(lambda: create_markdown_artifact(text, key=key(workspace, "skipped"), description=about))


class RoundProgress:
    """The progress of a round in percent; every step counts as much. Calling it returns the log of a step."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._artifact: UUID | None = None
        self._round = ""

    def __call__(self, title: str, step: str) -> Log:
        """Begin a step of the round that the title names."""
        number = title.partition(",")[0]
        if number != self._round:
            self.end()
            self._artifact, self._round = None, number
        return _StepProgress(self, *share(number, step), title)

    def show(self, percent: float, title: str) -> bool:
        """Show how far the round is; False if the server does not answer."""
        about = f"{title[:1].upper()}{title[1:]}"
        if self._artifact is not None:
            artifact = self._artifact
            return _tolerating(lambda: update_progress_artifact(artifact, percent, about))
        return _tolerating(lambda: self._create(percent, about))

    def end(self) -> None:
        """Show that the round is finished, if one has begun."""
        if self._artifact is not None:
            self.show(100, f"{self._round} is finished")

    def _create(self, percent: float, about: str) -> None:
        name = key(self._workspace, "progress")
        self._artifact = cast(UUID, create_progress_artifact(percent, name, about))  # a coroutine in async flows only


class _StepProgress:
    """Moves the progress while a step runs; implements `Log`."""

    def __init__(self, progress: RoundProgress, begin: float, end: float, title: str) -> None:
        self._progress, self._begin, self._end, self._title = progress, begin, end, title
        self._answers = progress.show(begin, title)
        self._due = time.monotonic() + EVERY

    def __call__(self, metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        if not total or not self._answers or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY
        part = (self._end - self._begin) * min((step + 1) / total, 1.0)
        self._answers = self._progress.show(self._begin + part, self._title)  # training must not wait for it again


def share(number: str, step: str) -> tuple[float, float]:
    """From where to where a step brings the progress of a round, in percent: `closing` follows the last step.

    Args:
        number: the round, as in its title: `round 7`.
        step: the name of the step, or `closing`.
    """
    names = (*(BOOTSTRAP if number == "round 0" else STEPS), "closing")
    index = names.index(step)
    return 100 * index / len(names), 100 * (index + 1) / len(names)


def _wanted() -> bool:
    return configured() and flow_run.id is not None


def _tolerating(send: Callable[[], object]) -> bool:
    """Send something; False, with a line in the log, if the server does not take it."""
    try:
        send()
    except (httpx.HTTPError, PrefectException) as error:
        _logger.warning("the Prefect server did not take an artifact of the round: %s", error)
        return False
    return True
