"""reward: a reward model from the train pairs, a judge from pairs it never saw, and how far each can be believed."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from datasets import Dataset

from core.errors import BadFeedback
from core.files import replacing
from evaluation.statistics import annotators
from models.calibration import temperature
from models.measured import (
    REWARD_ANNOTATORS,
    REWARD_JUDGE_PAIRS,
    REWARD_PAIRS,
    REWARD_SURPRISE,
    REWARD_TEMPERATURE,
    REWARD_TRUNCATED,
)
from models.policy import ModelSettings, Policy
from models.reward import RewardModel, RewardSettings, fit
from tasks.state.reports import Numbers, RewardReport
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.tables import load, rows
from tasks.state.workspace import table

MIN_PAIRS = 20
"""Pairs below which nothing can be fitted that deserves the name."""


def reward(round: Round, log: StepLog) -> None:
    """Fit reward model and judge on disjoint pairs; each is calibrated on the part that the other learned from.

    Raises:
        BadFeedback: too few pairs in one of the parts.
    """
    train, judge = _pairs(round, "train"), _pairs(round, "judge")
    knobs, limits = round.knobs("reward", RewardSettings), round.knobs("model", ModelSettings)
    start = Policy.load(round.workspace.checkpoint("sft"))
    with log.learning():
        learned = fit(start, train, knobs, limits, round.seed_for("reward"), log)
        witness = fit(start, judge, knobs, limits, round.seed_for("judge"))
        # by the model that did not learn from them
        margins = {**_calibrate(learned, judge), **_calibrate(witness, train)}
    for name, model in (("reward", learned), ("judge", witness)):
        with replacing(round.workspace.checkpoint(name)) as draft:
            model.save(draft)
    standings = annotators.compare(rows(table(round.workspace.preferences, "votes")), margins)
    numbers: Numbers = {
        REWARD_PAIRS: len(train),
        REWARD_JUDGE_PAIRS: len(judge),
        REWARD_TRUNCATED: learned.truncated,
        REWARD_TEMPERATURE: learned.temperature,
        REWARD_SURPRISE: learned.scorer.surprise.item(),
        REWARD_ANNOTATORS: len({standing.annotator for standing in standings}),
    }
    RewardReport(metrics=numbers, annotators=tuple(standings)).save(round.workspace.report("reward"))


def _calibrate(model: RewardModel, pairs: Dataset) -> Mapping[str, float]:
    """Set the model's temperature by pairs it did not learn from; returns its margins by pair id."""
    margins: npt.NDArray[np.float64] = model.margins(pairs)
    model.temperature = temperature(margins, np.array(pairs["p_chosen"]))
    return dict(zip(pairs["pair_id"], margins.tolist(), strict=True))


def _pairs(round: Round, split: str) -> Dataset:
    pairs = load(table(round.workspace.preferences, split))
    if len(pairs) < MIN_PAIRS:
        raise BadFeedback(
            f"{len(pairs)} preference pairs in {split}, need {MIN_PAIRS}; bring more feedback, or give {split} a "
            f"larger share with -S curate.split.{split}=…"
        )
    return pairs
