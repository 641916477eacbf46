"""How different the answers are from one another, beside the champion's: a policy that collapsed repeats itself."""

from collections import Counter
from collections.abc import Sequence
from math import exp, log

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from core.metrics import Metric
from evaluation.evals import Answers, Evaluation, Holdout, Metrics

DISTINCT_1 = Metric(
    "distinct_1",
    "evaluate",
    "share",
    "as the champion's",
    "Different words over all of them (Li et al. 2016). Worry when it falls well below the champion's: every "
    "question gets the same answer.",
)
DISTINCT_2 = Metric(
    "distinct_2",
    "evaluate",
    "share",
    "as the champion's",
    "The same of word pairs.",
)
CHAMPION_DISTINCT_2 = Metric(
    "champion_distinct_2",
    "evaluate",
    "share",
    "none",
    "The champion's word pairs, for comparison. Both fall as answers grow longer, though nothing is lost.",
)
DISTINCT_2_KEPT = Metric(
    "distinct_2_kept",
    "evaluate",
    "share",
    "near 1",
    "Different word pairs as a multiple of the champion's, in as many word pairs drawn from either, so that "
    "length has no part in it (rarefaction, Hurlbert 1971). The gate `diversity` rejects below .7.",
)
SELF_BLEU = Metric(
    "self_bleu",
    "evaluate",
    "share",
    "as the champion's",
    "Mean BLEU-4 of an answer against all others (Zhu et al. 2018): 1 when all are alike. The gate "
    "`diversity` rejects .05 above the champion's, or half way from there to 1 where that is less.",
)
CHAMPION_SELF_BLEU = Metric(
    "champion_self_bleu",
    "evaluate",
    "share",
    "as the champion's",
    "The same of the champion's answers.",
)

LONGEST = 4
"""Words in the longest run that self-BLEU looks at, as in BLEU (Papineni et al. 2002)."""

Run = tuple[str, ...]


class Diversity(Evaluation):
    """Distinct runs of words, and how much of an answer stands in the others (self-BLEU)."""

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Measure both models' answers."""
        return {
            DISTINCT_1: distinct(candidate.texts, 1),
            DISTINCT_2: distinct(candidate.texts, 2),
            CHAMPION_DISTINCT_2: distinct(champion.texts, 2),
            DISTINCT_2_KEPT: kept(counts(candidate.texts, 2), counts(champion.texts, 2)),
            SELF_BLEU: self_bleu(candidate.texts),
            CHAMPION_SELF_BLEU: self_bleu(champion.texts),
        }


def distinct(texts: Sequence[str], n: int) -> float:
    """Distinct runs of n words as a share of all of them (Li et al. 2016, distinct-n); 0 when there are none."""
    said = counts(texts, n)
    return len(said) / sum(said) if said else 0.0


def kept(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> float:
    """Distinct runs of ours as a multiple of theirs, in as many runs drawn from either; 1 where they have none.

    `distinct` falls as texts grow longer, since what was said before is said again, though nothing was lost. Where both
    are counted in samples as large as the smaller of the two (rarefaction, Hurlbert 1971), length has no part in it.

    Args:
        ours: how often each run was said, in any order; zeros do not count: (runs,)
        theirs: the same of the other model.
    """
    size = min(np.sum(ours), np.sum(theirs))
    if not size:
        return 0.0 if np.any(theirs) else 1.0
    return rarefied(ours, size) / rarefied(theirs, size)


def counts(texts: Sequence[str], n: int) -> list[int]:
    """How often each run of n words was said."""
    return [*Counter(run for text in texts for run in runs(text, n)).values()]


def rarefied(counts: npt.ArrayLike, size: float) -> float:
    """How many kinds a sample of `size` things has on average, drawn without putting back (Hurlbert 1971).

    Args:
        counts: how many things there are of each kind: (kinds,)
        size: at most as many as there are in all.
    """
    found = np.asarray(counts, np.float64)
    total = found.sum()
    spare = total - found  # a kind is missed where all of the sample falls among these
    able = spare >= size
    missed = np.exp(_log_choose(spare[able], size) - _log_choose(total, size))
    return float(len(found) - missed.sum())


def _log_choose(n: npt.NDArray[np.float64], k: float) -> npt.NDArray[np.float64]:
    chosen: npt.NDArray[np.float64] = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return chosen


def runs(text: str, n: int) -> list[Run]:
    """All runs of n words, in their order."""
    words = text.split()
    return [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]


def self_bleu(texts: Sequence[str]) -> float:
    """Mean BLEU of each text against all others (Zhu et al. 2018, Texygen): 0 nothing in common, 1 all alike.

    Without a brevity penalty: among many others there is one of the same length. A precision of 0 counts as .1 matches,
    else one missing run of four would make the whole text unlike all others (Chen and Cherry 2014, method 1). Texts
    without a word are left out.
    """
    counted = [[Counter(runs(text, n)) for n in range(1, LONGEST + 1)] for text in texts if text.split()]
    if len(counted) < 2:
        return 0.0
    limits = [_limits([counts[n] for counts in counted]) for n in range(LONGEST)]
    return sum(_bleu(counts, limits) for counts in counted) / len(counted)


def _limits(counted: Sequence[Counter[Run]]) -> dict[Run, tuple[int, int]]:
    """For each run the two largest counts in a single text: what the others offer is the second, for who has the first.

    That is the same as comparing every text with every other, at the price of one pass.
    """
    found: dict[Run, tuple[int, int]] = {}
    for counts in counted:
        for run, count in counts.items():
            first, second = found.get(run, (0, 0))
            found[run] = (count, first) if count > first else (first, max(second, count))
    return found


def _bleu(counts: Sequence[Counter[Run]], limits: Sequence[dict[Run, tuple[int, int]]]) -> float:
    logs = []
    for own, limit in zip(counts, limits, strict=True):
        if own:
            matched = sum(min(count, _offered(count, limit[run])) for run, count in own.items())
            logs.append(log(max(matched, 0.1) / own.total()))
    return exp(sum(logs) / len(logs))


def _offered(count: int, limit: tuple[int, int]) -> int:
    first, second = limit
    return second if count == first else first
