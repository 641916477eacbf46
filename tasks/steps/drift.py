"""drift: compares prompts, answers, rewards and votes with what the champion was trained on. It never stops a round."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from datasets import Dataset
from pydantic import Field

from core.files import write_text
from core.settings import BaseSettings
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
from tasks.pages.drift import page as render_page
from tasks.registry import reference as references
from tasks.registry.reference import Reference
from tasks.state import loading, records, tables
from tasks.state.reports import EvaluateReport
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.tables import Row
from tasks.state.workspace import table
from tasks.steps.curate import SPLITS, CurateSettings
from tasks.steps.vote import VoteSettings


class DriftSettings(BaseSettings):
    """When drift raises an alarm: the effect exceeds its limit, and it is statistically significant."""

    level: float = Field(0.01, ge=0.01, lt=1)
    """Significance level (Holm-adjusted). At least .01: the tests use 1,999 permutations, and with a lower level their
    adjusted p-values could not become significant."""
    groups: int = Field(500, ge=20)
    """Maximum number of prompt groups per side of a comparison, drawn at random."""
    bins: int = Field(10, ge=2)
    """Quantile bins of the population stability index."""
    limits: LimitSettings = LimitSettings()


def drift(round: Round, log: StepLog) -> None:
    """Compare this round's feedback and answers with the champion's; write effects and alarms to the report."""
    knobs, reference = round.knobs("drift", DriftSettings), references.load_reference(round.workspace.previous)
    findings = DriftFindings()
    if reference:
        findings = _feedback(round, knobs, reference) | _labels(round, knobs, reference, log)
        findings |= _answers(round, knobs) | _yardstick(round, knobs, reference)
    findings |= _judge(round, knobs)
    results = monitor.decide(findings.checks, knobs.level)
    log(monitor.metrics(findings, results), 0, 1)
    report(findings, results).save(round.workspace.report("drift"))


def page(round: Round, numbers: Mapping[str, float]) -> Path | None:
    """Write the report as a page, with the history of the effects over all finished rounds and this one.

    Args:
        round: the round whose report is shown.
        numbers: this round's metrics, by full name.

    Returns:
        The file; None in round 0 and if there is no report.
    """
    if not round.number or not round.workspace.report("drift").exists():
        return None
    finished = [(number, records.metrics(round.workspace, number)) for number in records.numbers(round.workspace)]
    history = [*((number, metrics) for number, metrics in finished if number < round.number), (round.number, numbers)]
    path, level = round.workspace.report("drift").with_suffix(".html"), round.knobs("drift", DriftSettings).level
    write_text(
        path, render_page(f"Round {round.number}", level, DriftReport.load(round.workspace.report("drift")), history)
    )
    return path


def _feedback(round: Round, knobs: DriftSettings, reference: Reference) -> DriftFindings:
    """This round's prompts and votes, compared with those that the champion was trained on."""
    folder, seed = round.workspace.feedback, round.seed_for("drift")
    criterion = round.knobs("curate", CurateSettings).criterion
    sides = (reference.trained_on, (round.number,))
    old_prompts, new_prompts = (excerpt.prompts(folder, rounds, knobs.groups, seed) for rounds in sides)
    old_votes, new_votes = (
        stream.stream(excerpt.votes(folder, rounds, knobs.groups, seed), criterion) for rounds in sides
    )
    findings = prompts.drift(old_prompts, new_prompts, knobs.limits, knobs.bins, seed)
    return findings | stream.drift(old_votes, new_votes, knobs.limits, seed)


def _labels(round: Round, knobs: DriftSettings, reference: Reference, log: StepLog) -> DriftFindings:
    """The champion's reward model on pairs it was not trained on: this round's, and those held out up to its round."""
    if reference.reward is None:
        return DriftFindings()
    folder, seed = round.workspace.preferences, round.seed_for("drift")
    fresh = [row for split in SPLITS for row in tables.rows(table(folder, split)) if row["round"] == round.number]
    held_out = [row for row in tables.rows(table(folder, "holdout")) if row["round"] in reference.trained_on]
    model, annotator = (
        loading.of_round(round).reward_model(reference.reward),
        round.knobs("vote", VoteSettings).annotator,
    )
    with log.learning():
        before, now = (
            scored_pairs(model, one_pair_per_group(rows, knobs.groups, seed), annotator) for rows in (held_out, fresh)
        )
    return labels.drift(before, now, knobs.limits, seed)


def _answers(round: Round, knobs: DriftSettings) -> DriftFindings:
    """The candidate's answers, compared with the champion's."""
    samples = tables.load(round.workspace.sampled)
    rows = first_row_per_group(samples["group"])
    champion, candidate = (_answer_sample(samples, who, rows) for who in (CHAMPION, CANDIDATE))
    return answers.drift(champion, candidate, knobs.limits, knobs.bins, round.seed_for("drift"))


def _yardstick(round: Round, knobs: DriftSettings, reference: Reference) -> DriftFindings:
    """The champion's rewards: under the last round's reward model, and under this round's."""
    path = round.workspace.previous_samples
    if reference.sampled_as is None or not path.exists():
        return DriftFindings()
    before, now = tables.load(path), tables.load(round.workspace.sampled)
    if "group" not in before.column_names:  # samples of an earlier release
        return DriftFindings()
    sides = ((before, reference.sampled_as), (now, CHAMPION))
    old, new = (_answer_sample(samples, who, first_row_per_group(samples["group"])).reward for samples, who in sides)
    return answers.yardstick(old, new, knobs.limits, knobs.bins)


def _judge(round: Round, knobs: DriftSettings) -> DriftFindings:
    """The judge model's win rate, compared with that of the fresh votes."""
    numbers = EvaluateReport.load(round.workspace.report("evaluate")).metrics
    judge = interval(numbers, JUDGE_WIN_RATE, JUDGE_PROMPTS)
    votes = interval(numbers, WIN_RATE, VOTES)
    return answers.judge_gap(judge, votes, knobs.limits) if judge and votes else DriftFindings()


def one_pair_per_group(rows: Sequence[Row], count: int, seed: int) -> list[Row]:
    """One non-tied pair from each of up to `count` prompt groups, drawn at random."""
    non_tied = [row for row in rows if row["p_chosen"] != 0.5]
    shuffled = [non_tied[index] for index in np.random.default_rng(seed).permutation(len(non_tied))]
    return [shuffled[index] for index in first_row_per_group([row["group"] for row in shuffled])[:count]]


def scored_pairs(model: RewardModel, rows: Sequence[Row], annotator: Source | None) -> ScoredPairs:
    """The calibrated margins of preference rows; with the accuracy ceiling if the annotator's noise is known."""
    if not rows:
        return ScoredPairs(np.empty(0), np.empty(0))
    ceiling = annotator.ceiling(rows) if annotator else None
    return ScoredPairs(model.margins(rows) / model.temperature, np.array([row["p_chosen"] for row in rows]), ceiling)


def first_row_per_group(groups: Sequence[str]) -> list[int]:
    """The index of the first row of each group: rows of one group are not independent observations."""
    return sorted({group: row for row, group in reversed(list(enumerate(groups)))}.values())


def _answer_sample(samples: Dataset, who: str, rows: Sequence[int]) -> AnswerSample:
    texts = list(samples[f"{who}_texts"])
    numbers = (np.array(samples[f"{who}_{name}"], dtype=np.float64)[rows] for name in ("tokens", "reward", "kl"))
    return AnswerSample([texts[row] for row in rows], *numbers)
