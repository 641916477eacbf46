"""Win rate and accuracy as metrics of the `evaluate` library. Importing it takes seconds: import late.

The classes are our own and work in memory: nothing is fetched from a hub and nothing stays on disk. Each takes the
prompt groups with predictions and references, because the interval needs them.
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
    """How often the prediction's score is higher than the reference's."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Share of rows in which the prediction's score is higher, ties half; 95 % interval by group.",
            citation="",
            inputs_description="predictions, references: scores, higher is better; groups: the units of resampling.",
            features=ROWS,
        )

    def _compute(self, predictions: list[float], references: list[float], groups: list[str]) -> dict[str, Any]:
        return bootstrap(wins(predictions, references), groups)._asdict()


class PreferenceAccuracyMetric(evaluate.Metric):  # type: ignore[misc]  # shipped without types
    """Share of votes that a margin predicts."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Share of votes that agree with the margin's sign, margin 0 half; 95 % interval by group.",
            citation="",
            inputs_description="predictions: margins of the first answer over the second; references: the first "
            "answer's share of votes; groups: the units of resampling.",
            features=ROWS,
        )

    def _compute(self, predictions: list[float], references: list[float], groups: list[str]) -> dict[str, Any]:
        return bootstrap(agreement(predictions, references), groups)._asdict()


def win_rate(ours: npt.ArrayLike, theirs: npt.ArrayLike, groups: Sequence[str]) -> Interval:
    """How often our score is higher, ties one half, with its interval; at least one row."""
    return _compute(WinRateMetric, ours, theirs, groups)


def accuracy(margins: npt.ArrayLike, p_first: npt.ArrayLike, groups: Sequence[str]) -> Interval:
    """The share of votes that agree with the margins, with its interval; at least one pair."""
    return _compute(PreferenceAccuracyMetric, margins, p_first, groups)


def _compute(
    metric: type[evaluate.Metric], predictions: npt.ArrayLike, references: npt.ArrayLike, groups: Sequence[str]
) -> Interval:
    # the library creates a cache folder even for metrics in memory: this one stays empty and is deleted at once
    with TemporaryDirectory() as cache:
        result = metric(cache_dir=cache, keep_in_memory=True).compute(
            predictions=predictions, references=references, groups=groups
        )
    return Interval(**result)
