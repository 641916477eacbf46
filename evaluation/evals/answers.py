"""What the answers look like: length, endings, distance from the reference, and what the reward model says."""

import numpy as np

from evaluation.evals import Answers, Evaluation, Holdout, Metrics
from evaluation.statistics.intervals import paired, wilson


class AnswerStatistics(Evaluation):
    """Numbers that show how the candidate came by its reward, beside the champion's where they compare."""

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Measure the candidate's answers."""
        ours, theirs = float(candidate.tokens.mean()), float(champion.tokens.mean())
        return {
            "length_mean": ours,
            "length_ratio": ours / max(theirs, 1.0),  # a champion that says nothing counts as one token
            **wilson(int(candidate.ended.sum()), len(candidate.ended)).named("eos_rate"),
            "kl_mean": float(candidate.kl.mean()),
            "kl_p95": float(np.quantile(candidate.kl, 0.95)),
            "champion_kl_mean": float(champion.kl.mean()),
            **paired(candidate.reward, champion.reward, data.groups).named("reward_gain"),
        }
