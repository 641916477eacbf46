"""drift: have prompts, answers, rewards or votes moved from what the champion learned from? It never blocks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from datasets import Dataset
from pydantic import Field

from core.files import write_text
from core.knobs import BaseSettings
from evaluation import drift as monitor
from evaluation.drift import DriftFindings, answers, labels, prompts, stream
from evaluation.drift.answers import AnswerSample
from evaluation.drift.labels import ScoredPairs
from evaluation.drift.limits import LimitSettings
from evaluation.drift.report import DriftReport, report
from evaluation.evals import CANDIDATE, CHAMPION
from evaluation.evals.judge import JUDGE_PROMPTS, JUDGE_WIN_RATE
from evaluation.evals.votes import VOTES, WIN_RATE
from evaluation.verdict import interval
from feedback import excerpt
from feedback.sources import Source
from models.reward import RewardModel
from tasks.pages.drift import page as drawn
from tasks.registry.reference import Reference, load_reference
from tasks.state import records, tables
from tasks.state.reports import EvaluateReport
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.tables import Row
from tasks.state.workspace import table
from tasks.steps.curate import PARTS, CurateSettings
from tasks.steps.vote import VoteSettings


class DriftSettings(BaseSettings):
    """When a difference from what the champion learned from is an alarm: its effect is large, and no chance."""

    level: float = Field(0.01, ge=0.01, lt=1)
    """P-value below which an effect is no chance, adjusted for the number of checks (Holm). Not below .01: 1,999
    permutations give no p-value so small for all checks, and none of them could sound any more."""
    groups: int = Field(500, ge=20)
    """Most prompt groups that are looked at on either side, drawn at random."""
    bins: int = Field(10, ge=2)
    """Quantile bins of the population stability index."""
    limits: LimitSettings = LimitSettings()


def drift(round: Round, log: StepLog) -> None:
    """Compare this round's feedback and answers with the champion's; alarms are logged and listed."""
    knobs, reference = round.knobs("drift", DriftSettings), load_reference(round.workspace.previous)
    found = DriftFindings()
    if reference:
        found = _feedback(round, knobs, reference) | _labels(round, knobs, reference, log)
        found |= _answers(round, knobs) | _yardstick(round, knobs, reference)
    found |= _judge(round, knobs)
    decided = monitor.decide(found.checks, knobs.level)
    log(monitor.metrics(found, decided), 0, 1)
    report(found, decided).save(round.workspace.report("drift"))


def page(round: Round, numbers: Mapping[str, float]) -> Path | None:
    """Write the report as a page, with all finished rounds and this one's `numbers`; None where there is no report."""
    if not round.number or not round.workspace.report("drift").exists():
        return None
    finished = [(number, records.metrics(round.workspace, number)) for number in records.numbers(round.workspace)]
    history = [*((number, metrics) for number, metrics in finished if number < round.number), (round.number, numbers)]
    path, level = round.workspace.report("drift").with_suffix(".html"), round.knobs("drift", DriftSettings).level
    write_text(path, drawn(f"Round {round.number}", level, DriftReport.load(round.workspace.report("drift")), history))
    return path


def _feedback(round: Round, knobs: DriftSettings, reference: Reference) -> DriftFindings:
    """This round's prompts and votes against those that the champion learned from."""
    place, seed, criterion = (
        round.workspace.feedback,
        round.seed_for("drift"),
        round.knobs("curate", CurateSettings).criterion,
    )
    times = (reference.trained_on, (round.number,))
    asked, asks = (excerpt.prompts(place, rounds, knobs.groups, seed) for rounds in times)
    voted, votes = (stream.stream(excerpt.votes(place, rounds, knobs.groups, seed), criterion) for rounds in times)
    return prompts.drift(asked, asks, knobs.limits, knobs.bins, seed) | stream.drift(voted, votes, knobs.limits, seed)


def _labels(round: Round, knobs: DriftSettings, reference: Reference, log: StepLog) -> DriftFindings:
    """The champion's reward model on votes it has not learned from: new ones, and those held out at its time."""
    if reference.reward is None:
        return DriftFindings()
    folder, seed = round.workspace.preferences, round.seed_for("drift")
    fresh = [row for part in PARTS for row in tables.rows(table(folder, part)) if row["round"] == round.number]
    held_out = [row for row in tables.rows(table(folder, "holdout")) if row["round"] in reference.trained_on]
    model, annotator = RewardModel.load(reference.reward), round.knobs("vote", VoteSettings).annotator
    with log.learning():
        before, now = (judged(model, one_each(rows, knobs.groups, seed), annotator) for rows in (held_out, fresh))
    return labels.drift(before, now, knobs.limits, seed)


def _answers(round: Round, knobs: DriftSettings) -> DriftFindings:
    """The candidate's answers against the champion's."""
    samples = tables.load(round.workspace.sampled)
    rows = first_of_each(samples["group"])
    champion, candidate = (_spoken(samples, who, rows) for who in (CHAMPION, CANDIDATE))
    return answers.drift(champion, candidate, knobs.limits, knobs.bins, round.seed_for("drift"))


def _yardstick(round: Round, knobs: DriftSettings, reference: Reference) -> DriftFindings:
    """The champion's answers, as this round's reward model and the last one score them."""
    path = round.workspace.previous_samples
    if reference.sampled_as is None or not path.exists():
        return DriftFindings()
    before, now = tables.load(path), tables.load(round.workspace.sampled)
    if "group" not in before.column_names:  # samples of an earlier release
        return DriftFindings()
    sides = ((before, reference.sampled_as), (now, CHAMPION))
    old, new = (_spoken(samples, who, first_of_each(samples["group"])).reward for samples, who in sides)
    return answers.yardstick(old, new, knobs.limits, knobs.bins)


def _judge(round: Round, knobs: DriftSettings) -> DriftFindings:
    """The judge model's win rate against that of fresh votes."""
    numbers = EvaluateReport.load(round.workspace.report("evaluate")).metrics
    judge = interval(numbers, JUDGE_WIN_RATE, JUDGE_PROMPTS)
    votes = interval(numbers, WIN_RATE, VOTES)
    return answers.judge_gap(judge, votes, knobs.limits) if judge and votes else DriftFindings()


def one_each(rows: Sequence[Row], count: int, seed: int) -> list[Row]:
    """One decided pair of each of up to `count` prompt groups, drawn at random."""
    decided = [row for row in rows if row["p_chosen"] != 0.5]
    mixed = [decided[row] for row in np.random.default_rng(seed).permutation(len(decided))]
    return [mixed[row] for row in first_of_each([row["group"] for row in mixed])[:count]]


def judged(model: RewardModel, rows: Sequence[Row], annotator: Source | None) -> ScoredPairs:
    """Preference rows as a reward model scores them; their ceiling, where the annotator's noise is known."""
    if not rows:
        return ScoredPairs(np.empty(0), np.empty(0))
    ceiling = annotator.ceiling(rows) if annotator else None
    return ScoredPairs(model.margins(rows) / model.temperature, np.array([row["p_chosen"] for row in rows]), ceiling)


def first_of_each(groups: Sequence[str]) -> list[int]:
    """The first row of each group: rows of one group are one piece of evidence."""
    return sorted({group: row for row, group in reversed(list(enumerate(groups)))}.values())


def _spoken(samples: Dataset, who: str, rows: Sequence[int]) -> AnswerSample:
    texts = list(samples[f"{who}_texts"])
    numbers = (np.array(samples[f"{who}_{name}"], dtype=np.float64)[rows] for name in ("tokens", "reward", "kl"))
    return AnswerSample([texts[row] for row in rows], *numbers)
