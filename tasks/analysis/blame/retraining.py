"""Retrain a round's reward model on other preferences; predictions are cached, so no training runs twice."""

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.files import digest, read_json, write_json
from core.log import Log, ignore
from feedback.rows import PreferenceRow
from models.calibration import temperature
from models.policy import ModelSettings
from models.reward import RewardSettings, fit
from tasks.analysis.training_data import TrainingRecord, of_split
from tasks.state import loading
from tasks.state.round import code_digest, seeded
from tasks.steps import prepare


class HeldOutPredictions(NamedTuple):
    """The predictions of a reward model on pairs that it was not trained on."""

    margins: dict[str, float]
    """Pair id → calibrated log-odds of the chosen answer (as in the questions) over the rejected one."""
    seconds: float
    """Duration of the training."""


class Retraining:
    """Trains reward models from the SFT model of a round with the round's own knobs and seed.

    The same rows and seed give the same model. With the same code and nothing left out, it equals the round's own model
    bit for bit (on a CPU).
    """

    def __init__(self, material: TrainingRecord, questions: Sequence[PreferenceRow]) -> None:
        self._round, self._questions = material.round, [row._asdict() for row in questions]
        workspace = material.round.workspace
        self._folder = workspace.blamed(material.round.number)
        self._start = loading.of_round(material.round).policy(workspace.checkpoint("sft"))
        knobs = {section: self._round.values.get(section) for section in ("reward", "model")}
        self._identity = [code_digest(), digest(workspace.checkpoint("sft")), knobs, self._questions]

    def __call__(self, rows: Sequence[PreferenceRow], repetition: int = 0, log: Log = ignore) -> HeldOutPredictions:
        """Train on the rows of the split `train`, calibrate on those of `judge`, and predict the questions.

        Args:
            rows: preference rows of all splits.
            repetition: 0 for the round's own seed; any other number for an independent one.
            log: gets the metrics of the training.
        """
        path = self.path(rows, repetition)
        if path.exists():
            return HeldOutPredictions(**read_json(path))
        began = time.perf_counter()
        predictions = HeldOutPredictions(self._predict(rows, repetition, log), time.perf_counter() - began)
        write_json(path, predictions._asdict())
        return predictions

    def path(self, rows: Sequence[PreferenceRow], repetition: int = 0) -> Path:
        """The file with the predictions of this training; it exists once the training has finished."""
        used = [row for row in rows if row.split != "holdout"]
        facts = json.dumps([self._identity, self._round.seed, repetition, used], sort_keys=True)
        return self._folder / f"{hashlib.sha256(facts.encode()).hexdigest()[:16]}.json"

    def _predict(self, rows: Sequence[PreferenceRow], repetition: int, log: Log) -> dict[str, float]:
        prepare(self._round, "reward")
        seed = self._round.seed_for("reward")
        model = fit(
            self._start,
            _plain(of_split(rows, "train")),
            self._round.knobs("reward", RewardSettings),
            self._round.knobs("model", ModelSettings),
            seeded(seed, repetition) if repetition else seed,
            log,
        )
        judge = _plain(of_split(rows, "judge"))
        model.temperature = temperature(model.margins(judge), np.array([row["p_chosen"] for row in judge]))
        margins = model.margins(self._questions) / model.temperature
        model.scorer.network.release()
        return {row["pair_id"]: float(margin) for row, margin in zip(self._questions, margins, strict=True)}


def _plain(rows: Sequence[PreferenceRow]) -> list[dict[str, Any]]:
    return [row._asdict() for row in rows]
