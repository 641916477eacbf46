"""Accuracy of the reward model on traps: pairs whose worse answer looks better, such as longer or more polite."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from core.metrics import INTERVAL, Metric
from evaluation.evals import Answers, Array, BothMargins, Evaluation, Holdout, Metrics, named
from evaluation.statistics.intervals import paired, wilson
from evaluation.statistics.outcomes import agreement
from feedback import probes
from feedback.probes import Trap

ADVERSARIAL_PAIRS = Metric(
    "adversarial_pairs",
    "evaluate",
    "pairs",
    "up",
    "Number of traps; 0 if there are none.",
)
ADVERSARIAL_ACCURACY = Metric(
    "adversarial_accuracy",
    "evaluate",
    "share",
    "up",
    "Traps in which the reward model prefers the better answer. If it is far below `evaluate/reward_accuracy`, the "
    "reward model relies on superficial features, which a policy will exploit.",
    ends=INTERVAL,
    rare=True,
)
TRAP = Metric(
    "trap_<subset>",
    "evaluate",
    "share",
    "up",
    "Accuracy on one subset, by what makes the worse answer look better. In the embedded world: a friendly answer "
    "about another item (`neighbour`) or to another question (`off_topic`), two answers in one (`hedged`), a friendly "
    "wrong answer against a rude right one (`blunt`), an answer that also asks for the customer's PIN (`phishing`).",
    ends=INTERVAL,
    rare=True,
)
ADVERSARIAL_LONGER_WINS = Metric(
    "adversarial_longer_wins",
    "evaluate",
    "share",
    "none",
    'Accuracy of the rule "the longer answer wins" on the traps: below one half by construction.',
    rare=True,
)
CHAMPION_ADVERSARIAL_ACCURACY = Metric(
    "champion_adversarial_accuracy",
    "evaluate",
    "share",
    "none",
    "Accuracy of the champion's reward model. This and the next are omitted if the champion was trained without one.",
    rare=True,
)
ADVERSARIAL_OVER_CHAMPION = Metric(
    "adversarial_over_champion",
    "evaluate",
    "share",
    "0 or more",
    "Accuracy of this round's reward model minus the champion's: paired difference, interval by bootstrap. No gate "
    "reads it. If `_high` is below 0, this round's reward model is significantly worse.",
    ends=INTERVAL,
    rare=True,
)

SHOWN = 400
"""Characters of each text stored in the table."""


class Adversarial(Evaluation):
    """Accuracy on pairs whose worse answer looks better, against "the longer wins" and the champion's reward model.

    `path` names a file such as LLMBar's (Zeng et al. 2024); without it, the pairs come from a feedback source
    (`Source.probes`), such as the embedded world. They are never used in training.
    """

    path: Path | None = None
    """A file of pairs in JSON lines: instruction, chosen, rejected, subset; or LLMBar's own format."""
    subset: str = ""
    """Only subsets whose names contain this are used, such as `Adversarial` of LLMBar."""
    pairs: int = Field(40, ge=1)
    """Pairs of each kind, if they come from a source."""

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Compute both reward models' margins on the traps."""
        traps = self._traps(data)
        if not traps or data.models is None:
            return {ADVERSARIAL_PAIRS: 0}
        margins = data.models.compare([trap._asdict() for trap in traps])
        data.models.keep(self.name(), _table(traps, margins))
        ours = _right(margins.candidate)
        metrics: Metrics = {
            ADVERSARIAL_PAIRS: len(traps),
            **wilson(float(ours.sum()), len(ours)).named(ADVERSARIAL_ACCURACY),
        }
        metrics[ADVERSARIAL_LONGER_WINS] = float(_right(_lengths(traps)).mean())
        for subset, rows in _by_subset(traps).items():
            metrics |= wilson(float(ours[rows].sum()), len(rows)).named(TRAP.of(named(subset)))
        return metrics | _against_champion(ours, margins.champion, traps)

    def check(self) -> None:
        """Check that the file is valid."""
        if self.path:
            probes.traps(self.path, self.subset)

    def _traps(self, data: Holdout) -> list[Trap]:
        if self.path:
            return probes.traps(self.path, self.subset)
        return data.probes.traps(self.pairs) if data.probes else []


def _right(margins: Array) -> Array:
    """(n,) 1 if the better answer has the higher reward, one half if both are equal, else 0."""
    return agreement(margins, np.ones(len(margins)))


def _lengths(traps: Sequence[Trap]) -> Array:
    return np.array([len(trap.chosen) - len(trap.rejected) for trap in traps], dtype=np.float64)


def _by_subset(traps: Sequence[Trap]) -> dict[str, list[int]]:
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, trap in enumerate(traps):
        rows[trap.subset].append(row)
    return rows


def _against_champion(ours: Array, margins: Array | None, traps: Sequence[Trap]) -> Metrics:
    """The paired difference from the champion's reward model, resampled by prompt."""
    if margins is None:
        return {}
    theirs, groups = _right(margins), [trap.prompt[-1].content for trap in traps]
    return {
        CHAMPION_ADVERSARIAL_ACCURACY: float(theirs.mean()),
        **paired(ours, theirs, groups).named(ADVERSARIAL_OVER_CHAMPION),
    }


def _table(traps: Sequence[Trap], margins: BothMargins) -> list[dict[str, str | float | None]]:
    theirs = [None] * len(traps) if margins.champion is None else margins.champion.tolist()
    return [
        {
            "subset": trap.subset,
            "prompt": trap.prompt[-1].content[:SHOWN],
            "better": trap.chosen[:SHOWN],
            "worse": trap.rejected[:SHOWN],
            "margin": margin,
            "champion_margin": champion,
        }
        for trap, margin, champion in zip(traps, margins.candidate.tolist(), theirs, strict=True)
    ]
