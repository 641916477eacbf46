"""Whether the reward model knows what people prefer, beside what needs no model: the longer answer, the words alone."""

from itertools import compress

import numpy as np
import numpy.typing as npt

from evaluation.evals import Answers, Array, Evaluation, Holdout, HoldoutPairs, Metrics
from evaluation.statistics.intervals import Interval, paired
from evaluation.statistics.outcomes import agreement
from models.calibration import brier, calibration, chance


class RewardModelAccuracy(Evaluation):
    """Accuracy on held-out preferences with its ceiling and its baselines, calibration, and the pull of length.

    Accuracy is the share of votes that the margin's sign agrees with, over *decided* pairs: those not split evenly.
    """

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Hold margins against votes; {} when no pair is decided."""
        pairs = decided(data.pairs)
        if not pairs.chosen:
            return {}
        longer = lengths(pairs)
        return {
            "reward_pairs": len(pairs.chosen),
            **_accuracy(pairs.margins, pairs).named("reward_accuracy"),
            **_accuracy(pairs.judge_margins, pairs).named("judge_accuracy"),
            **_accuracy(longer, pairs).named("longer_wins"),
            **_accuracy(pairs.words - 0.5, pairs).named("words_accuracy"),
            **over_length(pairs).named("reward_over_length"),
            **ceiling(pairs.p_chosen),
            **length_pull(pairs.margins, longer),
            **_calibration(data.pairs),
            **_beside_champion(data.pairs),
        }


def decided(pairs: HoldoutPairs) -> HoldoutPairs:
    """The pairs whose votes are not split evenly."""
    keep = pairs.p_chosen != 0.5

    def texts(column: list[str]) -> list[str]:
        return list(compress(column, keep))

    return HoldoutPairs(
        chosen=texts(pairs.chosen),
        rejected=texts(pairs.rejected),
        p_chosen=pairs.p_chosen[keep],
        groups=texts(pairs.groups),
        margins=pairs.margins[keep],
        judge_margins=pairs.judge_margins[keep],
        words=pairs.words[keep],
    )


def lengths(pairs: HoldoutPairs) -> Array:
    """(n,) by how many characters chosen is longer."""
    return np.array([len(a) - len(b) for a, b in zip(pairs.chosen, pairs.rejected, strict=True)], dtype=np.float64)


def over_length(pairs: HoldoutPairs) -> Interval:
    """By how much the reward model's accuracy exceeds "the longer wins" or "the shorter wins", whichever is better."""
    longer = agreement(lengths(pairs), pairs.p_chosen)
    baseline = longer if longer.mean() >= 0.5 else 1 - longer
    return paired(agreement(pairs.margins, pairs.p_chosen), baseline, pairs.groups)


def ceiling(p_chosen: Array) -> Metrics:
    """The accuracy of a model that always sides with the majority: what split votes leave to reach.

    Single votes do not tell how often people would disagree: then there is nothing to say, and the result is {}.
    """
    majority = np.maximum(p_chosen, 1 - p_chosen)
    return {"reward_ceiling": float(majority.mean())} if (majority < 1).any() else {}


def length_pull(margins: Array, longer: Array) -> Metrics:
    """Pearson correlation of margin and length difference: within pairs, so that the prompt's own length is out."""
    if np.ptp(margins) == 0 or np.ptp(longer) == 0:
        return {}
    return {"reward_length_correlation": float(np.corrcoef(margins, longer)[0, 1])}


def _accuracy(margins: npt.ArrayLike, pairs: HoldoutPairs) -> Interval:
    from evaluation.statistics import rates

    return rates.accuracy(margins, pairs.p_chosen, pairs.groups)


def _calibration(pairs: HoldoutPairs) -> Metrics:
    fit, luck = calibration(pairs.margins, pairs.p_chosen), chance(pairs.margins, pairs.p_chosen)
    return {"reward_ece": fit.ece, "reward_ece_p": luck.p, "reward_ece_chance": luck.ece, "reward_brier": fit.brier}


def _beside_champion(pairs: HoldoutPairs) -> Metrics:
    """Both reward models on the same pairs, pair by pair; {} where the champion learned from none."""
    if pairs.champion_margins is None:
        return {}
    keep = pairs.p_chosen != 0.5
    some, theirs = decided(pairs), pairs.champion_margins
    more = paired(agreement(some.margins, some.p_chosen), agreement(theirs[keep], some.p_chosen), some.groups)
    rise = paired(brier(pairs.margins, pairs.p_chosen), brier(theirs, pairs.p_chosen), pairs.groups)
    return {
        **_accuracy(theirs[keep], some).named("champion_reward_accuracy"),
        **more.named("reward_over_champion"),
        "champion_reward_ece": calibration(theirs, pairs.p_chosen).ece,
        **rise.named("reward_brier_rise"),
    }
