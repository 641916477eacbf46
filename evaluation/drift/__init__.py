"""Checks for drift: a `DriftCheck` is an effect size with its limit and its p-value.

An alarm needs both: with thousands of rows a negligible effect has a small p-value, with twenty rows an effect can be
large by chance.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from core.metrics import Metric
from evaluation.statistics.intervals import holm

ALARMS = Metric(
    "alarms",
    "drift",
    "alarms",
    "0",
    "Number of comparisons with an alarm. `data/reports/drift.json` lists them and what to inspect.",
)

Array = npt.NDArray[np.float64]

RESAMPLES = 1999
"""Permutations per test. The smallest p-value, 1/2000, is significant for 19 checks at a level of .01 (Holm)."""

BINS = 24
"""Largest number of bins of a histogram."""


class DriftCheck(NamedTuple):
    """One comparison that can show drift."""

    name: str
    """Name of the metric that holds the effect."""
    effect: float
    """Effect size; larger is worse."""
    limit: float
    """Largest effect without an alarm."""
    p: float
    """P-value of the effect under no drift."""
    said: str
    """The result as a sentence with its numbers."""
    look: str
    """What a person should inspect."""
    zero: float = 0.0
    """The effect if nothing has drifted."""


class CheckResult(NamedTuple):
    """A check with its decision, which depends on all checks."""

    check: DriftCheck
    p: float
    """The p-value, Holm-adjusted for the number of checks."""
    alarm: bool

    def to_json(self) -> dict[str, str | float]:
        """The check as plain values, with the adjusted p-value and the alarm."""
        return {**self.check._asdict(), "p": self.p, "alarm": self.alarm}


class HistogramPanel(NamedTuple):
    """Two histograms over the same bins, before and now, as shares of the rows."""

    title: str
    unit: str
    low: float
    high: float
    before: list[float]
    now: list[float]


class DriftFindings(NamedTuple):
    """The checks, metrics and histograms of one part of a round."""

    checks: tuple[DriftCheck, ...] = ()
    numbers: dict[str, float] = {}  # noqa: RUF012  # the default of a NamedTuple is never modified
    """Metrics other than the effects."""
    panels: tuple[HistogramPanel, ...] = ()

    def __or__(self, other: "DriftFindings") -> "DriftFindings":
        """Both combined."""
        return DriftFindings(self.checks + other.checks, self.numbers | other.numbers, self.panels + other.panels)


def decide(checks: Sequence[DriftCheck], level: float) -> list[CheckResult]:
    """Decide which checks are alarms: effect above its limit and Holm-adjusted p-value below `level`."""
    adjusted = holm([check.p for check in checks])
    return [
        CheckResult(check, p, bool(check.effect > check.limit and p < level))
        for check, p in zip(checks, adjusted, strict=True)
    ]


def metrics(findings: DriftFindings, decided: Sequence[CheckResult]) -> dict[str, float]:
    """All metrics: the effect of each check, its adjusted p-value, 1 for an alarm; and the number of alarms."""
    numbers = dict(findings.numbers)
    for result in decided:
        name = result.check.name
        numbers |= {name: result.check.effect, f"{name}_p": result.p, f"{name}_alarm": float(result.alarm)}
    return numbers | {ALARMS: float(sum(result.alarm for result in decided))}


def sentence(result: CheckResult) -> str:
    """The result with effect, limit and p-value, and what to inspect."""
    check = result.check
    size = f"{check.name} {check.effect:.3g}, limit {check.limit:.3g}, Holm-adjusted p {result.p:.2g}"
    return f"{check.said} ({size}): inspect {check.look}"


def by_permutation(
    now: npt.ArrayLike,
    before: npt.ArrayLike,
    seed: int,
    alternative: Literal["two-sided", "greater"] = "two-sided",
    pairs: bool = False,
) -> float:
    """P-value of the difference of two means, by a permutation test (Phipson and Smyth 2010: never 0).

    With `pairs`, row i of both sides is a pair, and rows are only swapped within pairs.
    """
    new, old = np.asarray(now, np.float64), np.asarray(before, np.float64)
    rng = np.random.default_rng(seed)  # SciPy's permutation_test draws one at a time and takes ten times as long
    if pairs:
        gaps = rng.choice([-1.0, 1.0], (RESAMPLES, len(new))) @ (new - old) / len(new)
    else:
        mixed = rng.permuted(np.tile(np.concatenate([new, old]), (RESAMPLES, 1)), axis=1)
        gaps = mixed[:, : len(new)].mean(axis=1) - mixed[:, len(new) :].mean(axis=1)
    observed = new.mean() - old.mean()
    if alternative == "two-sided":
        gaps, observed = np.abs(gaps), abs(observed)
    tolerance = 1e-9 * max(1.0, float(np.abs(observed)))  # a sum depends on the order of its terms
    return float((1 + (gaps >= observed - tolerance).sum()) / (RESAMPLES + 1))


def histograms(title: str, unit: str, before: npt.ArrayLike, now: npt.ArrayLike) -> HistogramPanel:
    """Histograms of both samples over common bins; the outermost bins include the extreme .5 % of the pooled values.

    For integers, all bins contain equally many integers; otherwise some would look like gaps.
    """
    old, new = np.asarray(before, np.float64), np.asarray(now, np.float64)
    pooled = np.concatenate([old, new])
    low, high = (float(end) for end in np.quantile(pooled, [0.005, 0.995]))
    if np.all(pooled == np.round(pooled)):
        width = max(1, math.ceil((high - low + 1) / BINS))
        low, high = math.floor(low) - 0.5, math.floor(low) - 0.5 + width * math.ceil((high - low + 1) / width)
        bins = round((high - low) / width)
    else:
        bins, high = BINS, high if high > low else low + 1.0
    shares = [np.histogram(np.clip(side, low, high), bins, (low, high))[0] / len(side) for side in (old, new)]
    return HistogramPanel(title, unit, low, high, *(share.tolist() for share in shares))
