"""reward: a reward model from the train pairs, a judge from pairs it never saw, and how far each can be believed."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from datasets import Dataset

from core.errors import BadFeedback
from core.files import replacing, write_json
from evaluation.statistics import annotators
from models.calibration import temperature
from models.policy import ModelSettings, Policy
from models.reward import RewardModel, RewardSettings, fit
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.tables import load, rows

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
    standings = annotators.compare(rows(round.workspace.preferences / "votes.arrow"), margins)
    numbers: dict[str, float] = {
        "pairs": len(train),
        "judge_pairs": len(judge),
        "truncated": learned.truncated,
        "temperature": learned.temperature,
        "surprise": learned.scorer.surprise.item(),
        "annotators": len({standing.annotator for standing in standings}),
    }
    report = {"metrics": numbers, "annotators": [standing._asdict() for standing in standings]}
    write_json(round.workspace.report("reward"), report)


def _calibrate(model: RewardModel, pairs: Dataset) -> Mapping[str, float]:
    """Set the model's temperature by pairs it did not learn from; returns its margins by pair id."""
    margins: npt.NDArray[np.float64] = model.margins(pairs)
    model.temperature = temperature(margins, np.array(pairs["p_chosen"]))
    return dict(zip(pairs["pair_id"], margins.tolist(), strict=True))


def _pairs(round: Round, split: str) -> Dataset:
    pairs = load(round.workspace.preferences / f"{split}.arrow")
    if len(pairs) < MIN_PAIRS:
        raise BadFeedback(
            f"{len(pairs)} preference pairs in {split}, need {MIN_PAIRS}; bring more feedback, or give {split} a larger "
            f"share with -S curate.split.{split}=…"
        )
    return pairs
