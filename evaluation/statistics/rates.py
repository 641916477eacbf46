"""The two rates that decide a round, as metrics of the `evaluate` library. Importing it costs seconds: import late.

They are our own classes, kept in memory: nothing is fetched from a hub and nothing stays on disk. Each takes the
prompt groups beside predictions and references, because a rate without its interval decides nothing.
"""

from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import Any

import evaluate
import numpy.typing as npt
from datasets import Features, Value

from evaluation.statistics.intervals import Interval, bootstrap
from evaluation.statistics.outcomes import agreement, wins

ROWS = Features({"predictions": Value("float64"), "references": Value("float64"), "groups": Value("string")})


class WinRateMetric(evaluate.Metric):  # type: ignore[misc]  # shipped without types
    """How often the prediction's score beats the reference's."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Share of rows where the prediction's score is higher, ties half; 95 % interval by group.",
            citation="",
            inputs_description="predictions, references: scores, higher is better; groups: what is resampled together.",
            features=ROWS,
        )

    def _compute(self, predictions: list[float], references: list[float], groups: list[str]) -> dict[str, Any]:
        return bootstrap(wins(predictions, references), groups)._asdict()


class PreferenceAccuracyMetric(evaluate.Metric):  # type: ignore[misc]  # shipped without types
    """How many of the votes a margin predicts."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Share of votes that the margin's sign agrees with, margin 0 half; 95 % interval by group.",
            citation="",
            inputs_description="predictions: margins of the first answer over the second; references: the first "
            "answer's share of votes; groups: what is resampled together.",
            features=ROWS,
        )

    def _compute(self, predictions: list[float], references: list[float], groups: list[str]) -> dict[str, Any]:
        return bootstrap(agreement(predictions, references), groups)._asdict()


def win_rate(ours: npt.ArrayLike, theirs: npt.ArrayLike, groups: Sequence[str]) -> Interval:
    """How often our score is higher on at least one row, ties half, with its interval."""
    return _compute(WinRateMetric, ours, theirs, groups)


def accuracy(margins: npt.ArrayLike, p_first: npt.ArrayLike, groups: Sequence[str]) -> Interval:
    """The share of votes on at least one pair that the margins agree with, with its interval."""
    return _compute(PreferenceAccuracyMetric, margins, p_first, groups)


def _compute(
    metric: type[evaluate.Metric], predictions: npt.ArrayLike, references: npt.ArrayLike, groups: Sequence[str]
) -> Interval:
    # the library makes a cache folder even for what it keeps in memory: this one is empty, and gone at once
    with TemporaryDirectory() as empty:
        result = metric(cache_dir=empty, keep_in_memory=True).compute(
            predictions=predictions, references=references, groups=groups
        )
    return Interval(**result)
