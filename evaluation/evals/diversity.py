"""Diversity of the answers, compared with the champion's: a collapsed policy repeats itself."""

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
    "Distinct words divided by all words of the candidate's answers (Li et al. 2016). A low value means that many "
    "questions get the same answer.",
)
DISTINCT_2 = Metric(
    "distinct_2",
    "evaluate",
    "share",
    "as the champion's",
    "Likewise for word pairs. If it is well below the champion's, diversity is lost.",
)
CHAMPION_DISTINCT_2 = Metric(
    "champion_distinct_2",
    "evaluate",
    "share",
    "none",
    "Likewise for the champion's word pairs. Both fall as answers grow longer, even if no diversity is lost.",
)
DISTINCT_2_KEPT = Metric(
    "distinct_2_kept",
    "evaluate",
    "ratio",
    "near 1",
    "Ratio of distinct word pairs to the champion's, in samples of equal size, so that length has no effect "
    "(rarefaction, Hurlbert 1971). The gate `diversity` rejects below .7.",
)
SELF_BLEU = Metric(
    "self_bleu",
    "evaluate",
    "share",
    "as the champion's",
    "Mean BLEU-4 of an answer against all others (Zhu et al. 2018): 1 if all are identical. The gate `diversity` "
    "rejects a rise above the champion's of more than .05, or of half its distance to 1 if that is less.",
)
CHAMPION_SELF_BLEU = Metric(
    "champion_self_bleu",
    "evaluate",
    "share",
    "as the champion's",
    "Self-BLEU of the champion's answers.",
)

MAX_N = 4
"""Length of the longest n-grams in self-BLEU, as in BLEU (Papineni et al. 2002)."""

NGram = tuple[str, ...]


class Diversity(Evaluation):
    """Distinct n-grams, and the overlap of each answer with all others (self-BLEU)."""

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Measure both models' answers."""
        return {
            DISTINCT_1: distinct(candidate.texts, 1),
            DISTINCT_2: distinct(candidate.texts, 2),
            CHAMPION_DISTINCT_2: distinct(champion.texts, 2),
            DISTINCT_2_KEPT: distinct_ratio(counts(candidate.texts, 2), counts(champion.texts, 2)),
            SELF_BLEU: self_bleu(candidate.texts),
            CHAMPION_SELF_BLEU: self_bleu(champion.texts),
        }


def distinct(texts: Sequence[str], n: int) -> float:
    """Distinct n-grams as a share of all n-grams (Li et al. 2016, distinct-n); 0 if there are none."""
    ngram_counts = counts(texts, n)
    return len(ngram_counts) / sum(ngram_counts) if ngram_counts else 0.0


def distinct_ratio(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> float:
    """Ratio of our distinct n-grams to theirs, in samples of equal size; 1 if theirs has none.

    `distinct` falls as texts grow longer, because n-grams recur, even if no diversity is lost. Both sides are therefore
    counted in samples as large as the smaller side (rarefaction, Hurlbert 1971), so that length has no effect.

    Args:
        ours: count of each n-gram, in any order; zeros are ignored: (n-grams,)
        theirs: likewise for the other model.
    """
    size = min(np.sum(ours), np.sum(theirs))
    if not size:
        return 0.0 if np.any(theirs) else 1.0
    return rarefied(ours, size) / rarefied(theirs, size)


def counts(texts: Sequence[str], n: int) -> list[int]:
    """The count of each n-gram."""
    return [*Counter(ngram for text in texts for ngram in ngrams(text, n)).values()]


def rarefied(counts: npt.ArrayLike, size: float) -> float:
    """Expected number of kinds in a sample of `size` items drawn without replacement (Hurlbert 1971).

    Args:
        counts: number of items of each kind: (kinds,)
        size: at most the number of all items.
    """
    sizes = np.asarray(counts, np.float64)
    total = sizes.sum()
    others = total - sizes  # a kind is missed if the whole sample is drawn from the others
    can_miss = others >= size
    missed = np.exp(_log_choose(others[can_miss], size) - _log_choose(total, size))
    return float(len(sizes) - missed.sum())


def _log_choose(n: npt.NDArray[np.float64], k: float) -> npt.NDArray[np.float64]:
    log_binomial: npt.NDArray[np.float64] = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return log_binomial


def ngrams(text: str, n: int) -> list[NGram]:
    """All n-grams of words, in order."""
    words = text.split()
    return [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]


def self_bleu(texts: Sequence[str]) -> float:
    """Mean BLEU of each text against all others (Zhu et al. 2018, Texygen): 0 nothing in common, 1 all identical.

    Without a brevity penalty, because among many others there is one of the same length. Zero matches count as .1,
    otherwise one missing 4-gram would give the whole text a score of 0 (Chen and Cherry 2014, method 1). Texts without
    words are ignored.
    """
    counted = [[Counter(ngrams(text, n)) for n in range(1, MAX_N + 1)] for text in texts if text.split()]
    if len(counted) < 2:
        return 0.0
    limits = [_limits([counts[n] for counts in counted]) for n in range(MAX_N)]
    return sum(_bleu(counts, limits) for counts in counted) / len(counted)


def _limits(counted: Sequence[Counter[NGram]]) -> dict[NGram, tuple[int, int]]:
    """The two largest counts of each n-gram in a single text.

    The largest count among all *other* texts is the second for the text that has the first, else the first. One pass
    thus gives the same result as comparing every text with every other.
    """
    limits: dict[NGram, tuple[int, int]] = {}
    for counts in counted:
        for ngram, count in counts.items():
            first, second = limits.get(ngram, (0, 0))
            limits[ngram] = (count, first) if count > first else (first, max(second, count))
    return limits


def _bleu(counts: Sequence[Counter[NGram]], limits: Sequence[dict[NGram, tuple[int, int]]]) -> float:
    logs = []
    for own, limit in zip(counts, limits, strict=True):
        if own:
            matched = sum(min(count, _largest_elsewhere(count, limit[ngram])) for ngram, count in own.items())
            logs.append(log(max(matched, 0.1) / own.total()))
    return exp(sum(logs) / len(logs))


def _largest_elsewhere(count: int, limit: tuple[int, int]) -> int:
    first, second = limit
    return second if count == first else first
