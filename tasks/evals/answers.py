"""What the answers look like: length, endings, variety, distance from the reference, and what the reward model says."""

from collections.abc import Sequence

import numpy as np

from core.intervals import paired, wilson
from tasks.evals import Answers, Evaluation, Holdout, Metrics


class AnswerStatistics(Evaluation):
    """Numbers that show how the candidate came by its reward, beside the champion's where they compare."""

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Measure the candidate's answers."""
        ours, theirs = float(candidate.tokens.mean()), float(champion.tokens.mean())
        return {
            "length_mean": ours,
            "length_ratio": ours / max(theirs, 1.0),  # a champion that says nothing counts as one token
            **wilson(int(candidate.ended.sum()), len(candidate.ended)).named("eos_rate"),
            "distinct_1": distinct(candidate.texts, 1),
            "distinct_2": distinct(candidate.texts, 2),
            "champion_distinct_2": distinct(champion.texts, 2),
            "kl_mean": float(candidate.kl.mean()),
            "kl_p95": float(np.quantile(candidate.kl, 0.95)),
            **paired(candidate.reward, champion.reward, data.groups).named("reward_gain"),
        }


def distinct(texts: Sequence[str], n: int) -> float:
    """Distinct runs of n words as a share of all of them (Li et al. 2016, distinct-n); 0 when there are none."""
    runs = [run for text in texts for run in _runs(text.split(), n)]
    return len(set(runs)) / len(runs) if runs else 0.0


def _runs(words: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]
