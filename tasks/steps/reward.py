"""reward: fits the reward model on the train pairs and the judge model on disjoint pairs, and calibrates both."""

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
"""Minimum number of pairs to fit a model on."""


def reward(round: Round, log: StepLog) -> None:
    """Fit reward model and judge on disjoint pairs; each is calibrated on the pairs that the other was trained on.

    Raises:
        BadFeedback: one of the two splits has fewer than `MIN_PAIRS` pairs.
    """
    train, judge = _pairs(round, "train"), _pairs(round, "judge")
    knobs, limits = round.knobs("reward", RewardSettings), round.knobs("model", ModelSettings)
    start = Policy.load(round.workspace.checkpoint("sft"))
    with log.learning():
        reward_model = fit(start, train, knobs, limits, round.seed_for("reward"), log)
        judge_model = fit(start, judge, knobs, limits, round.seed_for("judge"))
        # each pair gets its margin from the model that was not trained on it
        margins = {**_calibrate(reward_model, judge), **_calibrate(judge_model, train)}
    for name, model in (("reward", reward_model), ("judge", judge_model)):
        with replacing(round.workspace.checkpoint(name)) as draft:
            model.save(draft)
    agreements = annotators.compare(rows(table(round.workspace.preferences, "votes")), margins)
    numbers: Numbers = {
        REWARD_PAIRS: len(train),
        REWARD_JUDGE_PAIRS: len(judge),
        REWARD_TRUNCATED: reward_model.truncated,
        REWARD_TEMPERATURE: reward_model.temperature,
        REWARD_SURPRISE: reward_model.scorer.surprise.item(),
        REWARD_ANNOTATORS: len({agreement.annotator for agreement in agreements}),
    }
    RewardReport(metrics=numbers, annotators=tuple(agreements)).save(round.workspace.report("reward"))


def _calibrate(model: RewardModel, pairs: Dataset) -> Mapping[str, float]:
    """Fit the model's temperature on pairs it was not trained on; return its raw margins by pair id."""
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
