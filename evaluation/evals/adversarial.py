"""Whether the reward model falls for the look of an answer: pairs whose worse answer is longer, or more polite."""

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
    "Traps that were tried; 0 where there are none.",
)
ADVERSARIAL_ACCURACY = Metric(
    "adversarial_accuracy",
    "evaluate",
    "share",
    "up",
    "Traps in which the reward model prefers the better answer. Worry when it is far below "
    "`evaluate/reward_accuracy`: it goes by looks, and a policy will find that out.",
    ends=INTERVAL,
    rare=True,
)
TRAP = Metric(
    "trap_<subset>",
    "evaluate",
    "share",
    "up",
    "The same of one subset, by what makes the worse answer look better: in the embedded world the friendly "
    "answer about another item (`neighbour`) or to another question (`off_topic`), two answers in one "
    "(`hedged`), a friendly wrong one beside a rude right one (`blunt`), one that also asks for the "
    "customer's PIN (`phishing`).",
    ends=INTERVAL,
    rare=True,
)
ADVERSARIAL_LONGER_WINS = Metric(
    "adversarial_longer_wins",
    "evaluate",
    "share",
    "none",
    'Accuracy of the rule "the longer answer wins" on them: below one half, as traps are made that way.',
    rare=True,
)
CHAMPION_ADVERSARIAL_ACCURACY = Metric(
    "champion_adversarial_accuracy",
    "evaluate",
    "share",
    "none",
    "Accuracy of the reward model that the champion learned from. Left out, like the next, where it learned from none.",
    rare=True,
)
ADVERSARIAL_OVER_CHAMPION = Metric(
    "adversarial_over_champion",
    "evaluate",
    "share",
    "0 or more",
    "Accuracy of this round's less the champion's, pair by pair, by bootstrap. No gate reads it. Worry where "
    "`_high` is below 0.",
    ends=INTERVAL,
    rare=True,
)

SHOWN = 400
"""Characters of a text that are kept in the table."""


class Adversarial(Evaluation):
    """Accuracy on pairs whose worse answer looks better, beside "the longer wins" and the champion's reward model.

    `path` names a file, as LLMBar's (Zeng et al. 2024); without it, the pairs are those that a source of the feedback
    brings (`Source.probes`), as the embedded world does. Nothing learns from them.
    """

    path: Path | None = None
    """A file of pairs in JSON lines: instruction, chosen, rejected, subset; or LLMBar's own form."""
    subset: str = ""
    """Only subsets with this in their names are read, as `Adversarial` of LLMBar."""
    pairs: int = Field(40, ge=1)
    """Pairs of each kind, where a source brings them."""

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Have the reward models compare the answers."""
        traps = self._traps(data)
        if not traps or data.bench is None:
            return {ADVERSARIAL_PAIRS: 0}
        margins = data.bench.compare([trap._asdict() for trap in traps])
        data.bench.keep(self.name(), _table(traps, margins))
        ours = _right(margins.candidate)
        found: Metrics = {
            ADVERSARIAL_PAIRS: len(traps),
            **wilson(float(ours.sum()), len(ours)).named(ADVERSARIAL_ACCURACY),
        }
        found[ADVERSARIAL_LONGER_WINS] = float(_right(_lengths(traps)).mean())
        for subset, rows in _by_subset(traps).items():
            found |= wilson(float(ours[rows].sum()), len(rows)).named(TRAP.of(named(subset)))
        return found | _beside_champion(ours, margins.champion, traps)

    def check(self) -> None:
        """Read the file."""
        if self.path:
            probes.traps(self.path, self.subset)

    def _traps(self, data: Holdout) -> list[Trap]:
        if self.path:
            return probes.traps(self.path, self.subset)
        return data.probes.traps(self.pairs) if data.probes else []


def _right(margins: Array) -> Array:
    """(n,) 1 where the better answer is ahead, one half where neither is."""
    return agreement(margins, np.ones(len(margins)))


def _lengths(traps: Sequence[Trap]) -> Array:
    return np.array([len(trap.chosen) - len(trap.rejected) for trap in traps], dtype=np.float64)


def _by_subset(traps: Sequence[Trap]) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for row, trap in enumerate(traps):
        found[trap.subset].append(row)
    return found


def _beside_champion(ours: Array, margins: Array | None, traps: Sequence[Trap]) -> Metrics:
    """The same pairs by the champion's reward model: pairs about one prompt count as one piece of evidence."""
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
