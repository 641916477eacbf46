"""The full report on drift: every column of a round's prompts, votes and answers beside the champion's."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from core.errors import BadWorkspace
from evaluation.evals import CANDIDATE, CHAMPION
from feedback import excerpt
from tasks.analysis.drift import page as dashboard
from tasks.analysis.drift import sections
from tasks.analysis.drift.page import DriftPage
from tasks.analysis.drift.sections import Section
from tasks.registry.archive import Archive, NotFound
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

FEWEST = 20
"""Rows on either side below which nothing is drawn."""


class DriftPages(NamedTuple):
    """The pages of one round."""

    round: int
    drawn: list[DriftPage]
    few: list[str]
    """Sections with too few rows on either side."""
    logged: bool
    """Whether they are with the round's run in MLflow, too."""


def dashboards(workspace: Workspace) -> DriftPages:
    """Draw the pages of the round whose data the workspace holds: the newest, or that of a replay.

    Raises:
        NotInstalled: Evidently is missing.
        NoTracking: MLflow does not answer.
        BadWorkspace: there is no round that could be compared, or it has not got as far.
        RoundBusy: a round runs.
    """
    dashboard.available()
    with holding(workspace.lock, "a full report on drift"):
        round = rounds.read(workspace)
        found = list(_sections(round, _reference(round)))
        run = _run(workspace)
    folder = workspace.dashboard(round.number)
    enough = [one for one in found if min(len(one.before), len(one.now)) >= FEWEST]
    drawn = [dashboard.draw(one, folder / f"{one.name}.html") for one in enough]
    few = [one.name for one in found if one not in enough]
    return DriftPages(round.number, drawn, few, run is not None and _logged(run, [one.path for one in drawn]))


def _reference(round: Round) -> Reference:
    if round.champion is None:
        raise BadWorkspace(
            f"round {round.number} has no champion before it to be compared with; ask again after the next round"
        )
    reference = load_reference(round.workspace.previous)
    if reference is None or not DataGraph(round.workspace.root).done("sample"):
        raise BadWorkspace(
            f"round {round.number} has not sampled its answers in {round.workspace.root}; finish it (`rounds "
            "round`), or replay it with `--judge`"
        )
    return reference


def _run(workspace: Workspace) -> RoundRun | None:
    """The run of this very round; None where MLflow knows of no such finished round."""
    root = workspace.root
    key = rounds.key(workspace, rounds.circumstances(workspace).code)
    try:
        past = Archive(root).finished(key)
    except NotFound:
        return None
    store = tracking.client(root)
    return RoundRun(root, store, tracking.experiment(store, tracking.EXPERIMENT, root), past.run_id, past.number)


def _sections(round: Round, reference: Reference) -> Iterator[Section]:
    """The rows that the step `drift` looks at, drawn alike."""
    place, count, seed = round.workspace.feedback, round.knobs("drift", DriftSettings).groups, round.seed_for("drift")
    times = (reference.trained_on, (round.number,))
    yield sections.prompts(*(excerpt.events(place, time, count, seed) for time in times))
    before, now = (excerpt.votes(place, time, count, seed) for time in times)
    yield sections.ballots(before, now, round.knobs("curate", CurateSettings).criterion)
    samples = tables.rows(round.workspace.sampled)
    one_each = [samples[row] for row in first_row_per_group([row["group"] for row in samples])]
    yield sections.answers(*([_answer(row, who) for row in one_each] for who in (CHAMPION, CANDIDATE)))


def _answer(row: tables.Row, who: str) -> tables.Row:
    numbers = {name: row[f"{who}_{name}"] for name in ("tokens", "reward", "judge", "kl")}
    return {"answer": row[f"{who}_texts"], "ended": str(row[f"{who}_ended"]), **numbers}


def _logged(run: RoundRun, pages: list[Path]) -> bool:
    """Keep the pages with the round's run; they are drawn, whether or not MLflow takes them."""
    try:
        with tracking.answering(run.root):
            for page in pages:
                run.artifact(page, "drift")
    except tracking.NoTracking as gone:
        _logger.warning("the pages are not with the round's run: %s", gone)
        return False
    return True
