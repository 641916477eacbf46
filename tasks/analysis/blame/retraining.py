"""A round's reward model trained once more, on other preferences; what it says is kept: no work is done twice."""

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
from models.policy import ModelSettings, Policy
from models.reward import RewardSettings, fit
from tasks.analysis.material import TrainingRecord, part
from tasks.state.round import code_digest, seeded
from tasks.steps import prepare


class HeldOutPredictions(NamedTuple):
    """What a reward model says of questions that it did not learn from."""

    margins: dict[str, float]
    """Pair id → calibrated log-odds of the pair's chosen answer, as the questions have it, over the rejected one."""
    seconds: float
    """What the training took."""


class Retraining:
    """Trains reward models from the SFT model of a round with the round's own knobs and seed.

    The same rows and the same seed are the same model: bit for bit the round's own, where the code is the same and
    nothing is left out (on a CPU).
    """

    def __init__(self, found: TrainingRecord, questions: Sequence[PreferenceRow]) -> None:
        self._round, self._questions = found.round, [row._asdict() for row in questions]
        workspace = found.round.workspace
        self._folder = workspace.blamed(found.round.number)
        self._start = Policy.load(workspace.checkpoint("sft"))
        knobs = {section: self._round.values.get(section) for section in ("reward", "model")}
        self._identity = [code_digest(), digest(workspace.checkpoint("sft")), knobs, self._questions]

    def __call__(self, rows: Sequence[PreferenceRow], repetition: int = 0, log: Log = ignore) -> HeldOutPredictions:
        """Train on the rows of the train part, calibrate on those of the judge part, and ask.

        Args:
            rows: preference rows of all parts.
            repetition: 0 for the round's own seed; any other number for an independent one.
            log: hears of the training.
        """
        path = self.path(rows, repetition)
        if path.exists():
            return HeldOutPredictions(**read_json(path))
        began = time.perf_counter()
        words = HeldOutPredictions(self._ask(rows, repetition, log), time.perf_counter() - began)
        write_json(path, words._asdict())
        return words

    def path(self, rows: Sequence[PreferenceRow], repetition: int = 0) -> Path:
        """Where it is kept what this training says; there once it has ended."""
        learned = [row for row in rows if row.split != "holdout"]
        facts = json.dumps([self._identity, self._round.seed, repetition, learned], sort_keys=True)
        return self._folder / f"{hashlib.sha256(facts.encode()).hexdigest()[:16]}.json"

    def _ask(self, rows: Sequence[PreferenceRow], repetition: int, log: Log) -> dict[str, float]:
        prepare(self._round, "reward")
        seed = self._round.seed_for("reward")
        learned = fit(
            self._start,
            _plain(part(rows, "train")),
            self._round.knobs("reward", RewardSettings),
            self._round.knobs("model", ModelSettings),
            seeded(seed, repetition) if repetition else seed,
            log,
        )
        judge = _plain(part(rows, "judge"))
        learned.temperature = temperature(learned.margins(judge), np.array([row["p_chosen"] for row in judge]))
        margins = learned.margins(self._questions) / learned.temperature
        return {row["pair_id"]: float(margin) for row, margin in zip(self._questions, margins, strict=True)}


def _plain(rows: Sequence[PreferenceRow]) -> list[dict[str, Any]]:
    return [row._asdict() for row in rows]
