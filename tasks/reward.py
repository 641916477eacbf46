"""reward: a reward model from the train pairs, a judge from pairs it never saw, and how far each can be believed."""

import numpy as np
from datasets import Dataset

from core.errors import BadFeedback
from core.files import replacing, write_json
from models.calibration import temperature
from models.policy import Model, Policy
from models.reward import Reward, RewardModel, fit
from tasks.round import Round
from tasks.step import step
from tasks.steplog import StepLog
from tasks.tables import load

FEWEST = 20
"""Pairs below which nothing can be fitted that deserves the name."""


@step()
def reward(round: Round, log: StepLog) -> None:
    """Fit reward model and judge on disjoint pairs; each is calibrated on the part that the other learned from.

    Raises:
        BadFeedback: too few pairs in one of the parts.
    """
    train, judge = _pairs(round, "train"), _pairs(round, "judge")
    knobs, limits = round.knobs("reward", Reward), round.knobs("model", Model)
    start = Policy.load(round.workspace.checkpoint("sft"))
    with log.learning():
        learned = fit(start, train, knobs, limits, round.seed_for("reward"), log)
        witness = fit(start, judge, knobs, limits, round.seed_for("judge"))
        _calibrate(learned, judge)
        _calibrate(witness, train)
    for name, model in (("reward", learned), ("judge", witness)):
        with replacing(round.workspace.checkpoint(name)) as draft:
            model.save(draft)
    numbers = {
        "pairs": len(train),
        "judge_pairs": len(judge),
        "truncated": learned.truncated,
        "temperature": learned.temperature,
        "surprise": learned.scorer.surprise.item(),
    }
    write_json(round.workspace.report("reward"), {"metrics": numbers})


def _calibrate(model: RewardModel, pairs: Dataset) -> None:
    model.temperature = temperature(model.margins(pairs), np.array(pairs["p_chosen"]))


def _pairs(round: Round, split: str) -> Dataset:
    pairs = load(round.workspace.preferences / f"{split}.arrow")
    if len(pairs) < FEWEST:
        raise BadFeedback(
            f"{len(pairs)} preference pairs in {split}, need {FEWEST}; bring more feedback, or give {split} a larger "
            f"share with -S curate.split.{split}=…"
        )
    return pairs
