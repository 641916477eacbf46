"""The full drift report: every column of a round's prompts, votes and answers, compared with the champion's."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from core.errors import BadWorkspace, NotFound
from evaluation.evals import CANDIDATE, CHAMPION
from feedback import excerpt
from tasks.analysis.drift import page as dashboard
from tasks.analysis.drift import sections
from tasks.analysis.drift.page import DriftPage
from tasks.analysis.drift.sections import Section
from tasks.registry.archive import Archive
from tasks.registry.reference import Reference, load_reference
from tasks.state import round as rounds
from tasks.state import tables
from tasks.state.lock import holding
from tasks.state.round import Round
from tasks.state.workspace import Workspace
from tasks.steps.curate import CurateSettings
from tasks.steps.drift import DriftSettings, first_row_per_group
from tasks.tools import tracking
from tasks.tools.tracking import RoundRun
from tasks.tools.versioning import DataGraph

_logger = logging.getLogger(__name__)

MIN_ROWS = 20
"""Minimum number of rows on each side; below it, no page is drawn."""


class DriftPages(NamedTuple):
    """The pages of one round."""

    round: int
    drawn: list[DriftPage]
    few: list[str]
    """Names of the sections with too few rows on one side."""
    logged: bool
    """True if the pages were logged to the MLflow run of the round."""


def dashboards(workspace: Workspace) -> DriftPages:
    """Draw the pages of the round whose data the workspace holds: the newest, or the one of a replay.

    Raises:
        NotInstalled: Evidently is not installed.
        NoTracking: MLflow does not answer.
        BadWorkspace: no round can be compared, or it has not sampled its answers yet.
        RoundBusy: a round runs in the workspace.
    """
    dashboard.available()
    with holding(workspace.lock, "the full drift report"):
        round = rounds.read(workspace)
        all_sections = list(_sections(round, _reference(round)))
        run = _run(workspace)
    folder = workspace.dashboard(round.number)
    enough = [section for section in all_sections if min(len(section.before), len(section.now)) >= MIN_ROWS]
    drawn = [dashboard.draw(section, folder / f"{section.name}.html") for section in enough]
    few = [section.name for section in all_sections if section not in enough]
    return DriftPages(round.number, drawn, few, run is not None and _logged(run, [page.path for page in drawn]))


def _reference(round: Round) -> Reference:
    if round.champion is None:
        raise BadWorkspace(
            f"round {round.number} has no earlier champion to compare with; run the command again after the next round"
        )
    reference = load_reference(round.workspace.previous)
    if reference is None or not DataGraph(round.workspace.root).done("sample"):
        raise BadWorkspace(
            f"round {round.number} has not sampled its answers in {round.workspace.root}; finish it with "
            f"`rounds round`, or replay it with `rounds replay {round.number} --into DIR --judge`"
        )
    return reference


def _run(workspace: Workspace) -> RoundRun | None:
    """The MLflow run of this round; None if MLflow has no finished run of it."""
    root = workspace.root
    key = rounds.key(workspace, rounds.circumstances(workspace).code)
    try:
        past = Archive(root).finished(key)
    except NotFound:
        return None
    store = tracking.client(root)
    return RoundRun(root, store, tracking.experiment(store, tracking.EXPERIMENT, root), past.run_id, past.number)


def _sections(round: Round, reference: Reference) -> Iterator[Section]:
    """The rows that the step `drift` compares, sampled in the same way."""
    feedback, count, seed = (
        round.workspace.feedback,
        round.knobs("drift", DriftSettings).groups,
        round.seed_for("drift"),
    )
    periods = (reference.trained_on, (round.number,))
    yield sections.prompts(*(excerpt.events(feedback, period, count, seed) for period in periods))
    before, now = (excerpt.votes(feedback, period, count, seed) for period in periods)
    yield sections.ballots(before, now, round.knobs("curate", CurateSettings).criterion)
    samples = tables.rows(round.workspace.sampled)
    one_each = [samples[row] for row in first_row_per_group([row["group"] for row in samples])]
    yield sections.answers(*([_answer(row, who) for row in one_each] for who in (CHAMPION, CANDIDATE)))


def _answer(row: tables.Row, who: str) -> tables.Row:
    numbers = {name: row[f"{who}_{name}"] for name in ("tokens", "reward", "judge", "kl")}
    return {"answer": row[f"{who}_texts"], "ended": str(row[f"{who}_ended"]), **numbers}


def _logged(run: RoundRun, pages: list[Path]) -> bool:
    """Log the pages to the run of the round. If MLflow does not answer, they stay on disk only."""
    try:
        with tracking.answering(run.root):
            for page in pages:
                run.artifact(page, "drift")
    except tracking.NoTracking as gone:
        _logger.warning("the pages were not logged to the run of the round: %s", gone)
        return False
    return True
