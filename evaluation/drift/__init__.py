"""Checks for drift: a `DriftCheck` is an effect size with its limit and its p-value. No tool, no step.

An alarm needs both: with thousands of rows a p-value is small over nothing, with twenty an effect is large by luck.
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
    "How many comparisons are alarming. `data/reports/drift.json` says which, and where to look.",
)

Array = npt.NDArray[np.float64]

RESAMPLES = 1999
"""Permutations of a test. The smallest p-value, 1/2000, survives Holm's correction for 19 checks at a level of .01."""


BINS = 24
"""Most bins of a histogram."""


class DriftCheck(NamedTuple):
    """One thing that may have drifted."""

    name: str
    """Name of the effect's metric."""
    effect: float
    """How far it has moved, larger is worse."""
    limit: float
    """The effect above which it matters."""
    p: float
    """How likely so large an effect is where nothing has drifted."""
    said: str
    """What was found, as a sentence with the numbers in it."""
    look: str
    """Where a person should look."""
    zero: float = 0.0
    """The effect where nothing has drifted at all."""


class CheckResult(NamedTuple):
    """A check after all checks were looked at together."""

    check: DriftCheck
    p: float
    """The p-value, adjusted by Holm for the number of checks."""
    alarm: bool

    def to_json(self) -> dict[str, str | float]:
        """As plain values: the check's, with the adjusted p-value and the alarm."""
        return {**self.check._asdict(), "p": self.p, "alarm": self.alarm}


class HistogramPanel(NamedTuple):
    """Two histograms over the same bins, for people to look at: shares of the rows, before and now."""

    title: str
    unit: str
    low: float
    high: float
    before: list[float]
    now: list[float]


class DriftFindings(NamedTuple):
    """What one look at one part of a round gave."""

    checks: tuple[DriftCheck, ...] = ()
    numbers: dict[str, float] = {}  # noqa: RUF012  # a default of a NamedTuple that nothing writes to
    """Metrics beside the effects."""
    panels: tuple[HistogramPanel, ...] = ()

    def __or__(self, other: "DriftFindings") -> "DriftFindings":
        """Both together."""
        return DriftFindings(self.checks + other.checks, self.numbers | other.numbers, self.panels + other.panels)


def decide(checks: Sequence[DriftCheck], level: float) -> list[CheckResult]:
    """Which checks are alarms: effect above its limit, and a p-value below `level` after Holm's correction."""
    adjusted = holm([check.p for check in checks])
    return [
        CheckResult(check, p, bool(check.effect > check.limit and p < level))
        for check, p in zip(checks, adjusted, strict=True)
    ]


def metrics(findings: DriftFindings, decided: Sequence[CheckResult]) -> dict[str, float]:
    """Every number: the effect of each check, its adjusted p-value, 1 where it is an alarm; and how many alarms."""
    numbers = dict(findings.numbers)
    for found in decided:
        name = found.check.name
        numbers |= {name: found.check.effect, f"{name}_p": found.p, f"{name}_alarm": float(found.alarm)}
    return numbers | {ALARMS: float(sum(found.alarm for found in decided))}


def sentence(found: CheckResult) -> str:
    """What was found, how large, how likely by chance, and where to look."""
    check = found.check
    size = f"{check.name} {check.effect:.3g}, limit {check.limit:.3g}, p {found.p:.2g}"
    return f"{check.said} ({size}): look at {check.look}"


def by_permutation(
    now: npt.ArrayLike,
    before: npt.ArrayLike,
    seed: int,
    alternative: Literal["two-sided", "greater"] = "two-sided",
    pairs: bool = False,
) -> float:
    """P-value of the difference of two means by permuting who belongs where (Phipson and Smyth 2010: never 0).

    With `pairs`, row i of both belongs together, and only the two of a pair change places.
    """
    new, old = np.asarray(now, np.float64), np.asarray(before, np.float64)
    rng = np.random.default_rng(seed)  # SciPy's permutation_test draws one by one, and takes ten times as long
    if pairs:
        gaps = rng.choice([-1.0, 1.0], (RESAMPLES, len(new))) @ (new - old) / len(new)
    else:
        mixed = rng.permuted(np.tile(np.concatenate([new, old]), (RESAMPLES, 1)), axis=1)
        gaps = mixed[:, : len(new)].mean(axis=1) - mixed[:, len(new) :].mean(axis=1)
    found = new.mean() - old.mean()
    if alternative == "two-sided":
        gaps, found = np.abs(gaps), abs(found)
    tied = 1e-9 * max(1.0, float(np.abs(found)))  # the same sum in another order is not always the same number
    return float((1 + (gaps >= found - tied).sum()) / (RESAMPLES + 1))


def histograms(title: str, unit: str, before: npt.ArrayLike, now: npt.ArrayLike) -> HistogramPanel:
    """Both samples over common bins; the outermost half percents of both together are in the outermost bins.

    Bins of whole numbers hold as many of them each, else they would look like gaps.
    """
    old, new = np.asarray(before, np.float64), np.asarray(now, np.float64)
    both = np.concatenate([old, new])
    low, high = (float(end) for end in np.quantile(both, [0.005, 0.995]))
    if np.all(both == np.round(both)):
        wide = max(1, math.ceil((high - low + 1) / BINS))
        low, high = math.floor(low) - 0.5, math.floor(low) - 0.5 + wide * math.ceil((high - low + 1) / wide)
        bins = round((high - low) / wide)
    else:
        bins, high = BINS, high if high > low else low + 1.0
    shares = [np.histogram(np.clip(side, low, high), bins, (low, high))[0] / len(side) for side in (old, new)]
    return HistogramPanel(title, unit, low, high, *(share.tolist() for share in shares))
