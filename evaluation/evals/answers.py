"""Statistics of the answers: length, endings, KL divergence from the reference, and reward."""

import numpy as np

from core.metrics import INTERVAL, Metric
from evaluation.evals import Answers, Evaluation, Holdout, Metrics
from evaluation.statistics.intervals import paired, wilson

LENGTH_MEAN = Metric(
    "length_mean",
    "evaluate",
    "tokens",
    "none",
    "Mean length of the candidate's answers, EOS included.",
)
LENGTH_RATIO = Metric(
    "length_ratio",
    "evaluate",
    "ratio",
    "near 1",
    "Ratio of the candidate's mean length to the champion's. The gate `length` rejects above 1.5 or below .6.",
)
EOS_RATE = Metric(
    "eos_rate",
    "evaluate",
    "share",
    "near 1",
    "Answers that end with EOS before the token limit; interval by Wilson (1927).",
    ends=INTERVAL,
)
KL_MEAN = Metric(
    "kl_mean",
    "evaluate",
    "nats per answer",
    "within the budget",
    "Mean log-ratio to the SFT model, as in `policy/objective/kl`, on held-out prompts. The gate `kl_budget` reads it.",
)
KL_P95 = Metric(
    "kl_p95",
    "evaluate",
    "nats per answer",
    "within the budget",
    "95th percentile of that log-ratio. If it is many times the mean, a few answers are far from the SFT model.",
)
CHAMPION_KL_MEAN = Metric(
    "champion_kl_mean",
    "evaluate",
    "nats per answer",
    "none",
    "The champion's mean KL divergence from the same SFT model.",
)
REWARD_GAIN = Metric(
    "reward_gain",
    "evaluate",
    "standard deviations",
    "above 0",
    "Mean reward of the candidate minus the champion's, by the reward model that the candidate was trained against. "
    "If it is large and `evaluate/win_rate` is not, the reward is overoptimised.",
    ends=INTERVAL,
)


class AnswerStatistics(Evaluation):
    """Length, endings, KL divergence and reward of the candidate's answers, compared with the champion's."""

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Measure the candidate's answers."""
        ours, theirs = float(candidate.tokens.mean()), float(champion.tokens.mean())
        return {
            LENGTH_MEAN: ours,
            LENGTH_RATIO: ours / max(theirs, 1.0),  # empty answers of the champion count as one token
            **wilson(int(candidate.ended.sum()), len(candidate.ended)).named(EOS_RATE),
            KL_MEAN: float(candidate.kl.mean()),
            KL_P95: float(np.quantile(candidate.kl, 0.95)),
            CHAMPION_KL_MEAN: float(champion.kl.mean()),
            **paired(candidate.reward, champion.reward, data.groups).named(REWARD_GAIN),
        }
