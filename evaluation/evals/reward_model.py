"""Whether the reward model knows what people prefer, beside what needs no model: the longer answer, the words alone."""

from itertools import compress

import numpy as np
import numpy.typing as npt

from core.metrics import INTERVAL, Metric
from evaluation.evals import Answers, Array, Evaluation, Holdout, HoldoutPairs, Metrics
from evaluation.statistics.intervals import Interval, paired
from evaluation.statistics.outcomes import agreement
from models.calibration import brier, calibration, chance

REWARD_PAIRS = Metric(
    "reward_pairs",
    "evaluate",
    "pairs",
    "up",
    "Decided held-out pairs: those whose votes are not split evenly.",
)
REWARD_ACCURACY = Metric(
    "reward_accuracy",
    "evaluate",
    "share",
    "up",
    "Of the reward model. It *falls* over good rounds, as answers get closer and votes noisier: read it "
    "beside its ceiling.",
    ends=INTERVAL,
)
REWARD_CEILING = Metric(
    "reward_ceiling",
    "evaluate",
    "share",
    "none",
    "The accuracy that the best possible model has on these votes: from the known noise of the simulated "
    "annotator, or from how real votes on one pair split. Left out where neither is known.",
    rare=True,
)
JUDGE_ACCURACY = Metric(
    "judge_accuracy",
    "evaluate",
    "share",
    "up",
    "The same of the judge model.",
    ends=INTERVAL,
)
WORDS_ACCURACY = Metric(
    "words_accuracy",
    "evaluate",
    "share",
    "none",
    "Of a logistic regression on words and word pairs, fitted to the same training pairs. Worry when it is "
    "above `evaluate/reward_accuracy`: the network knows less than a word list.",
    ends=INTERVAL,
)
LONGER_WINS = Metric(
    "longer_wins",
    "evaluate",
    "share",
    "none",
    'Of the rule "the longer answer wins".',
    ends=INTERVAL,
)
REWARD_OVER_LENGTH = Metric(
    "reward_over_length",
    "evaluate",
    "share",
    "above 0",
    'Accuracy of the reward model less that of "the longer wins" or "the shorter wins", whichever is better. '
    "The gate `reward_accuracy` wants `_low` above .03, and rejects where `_high` is below 0.",
    ends=INTERVAL,
)
REWARD_LENGTH_CORRELATION = Metric(
    "reward_length_correlation",
    "evaluate",
    "Pearson's r",
    "near 0",
    "Between margin and difference in length, within pairs. Worry when it is far from that of the votes "
    "themselves: reward follows length. Left out where either never varies.",
    rare=True,
)
REWARD_ECE = Metric(
    "reward_ece",
    "evaluate",
    "share",
    "down",
    "Expected calibration error: mean gap between how sure the model was of its favourite and how many votes "
    "that got, over ten bins of equal size (Guo et al. 2017).",
)
REWARD_ECE_CHANCE = Metric(
    "reward_ece_chance",
    "evaluate",
    "share",
    "none",
    "What that error would be on average if every probability were right: luck alone, on as many pairs "
    "(consistency resampling, Bröcker and Smith 2007).",
)
REWARD_ECE_P = Metric(
    "reward_ece_p",
    "evaluate",
    "none",
    "none",
    "Probability that luck makes an error as large. The gate `calibration` rejects below .05 where the error "
    "is large, too.",
)
REWARD_BRIER = Metric(
    "reward_brier",
    "evaluate",
    "none",
    "down",
    "Mean squared error of the probability (Brier 1950); .25 is knowing nothing.",
)
CHAMPION_REWARD_ACCURACY = Metric(
    "champion_reward_accuracy",
    "evaluate",
    "share",
    "none",
    "Accuracy of the reward model that the champion learned from, on the same pairs. Left out, like the next "
    "three, where it learned from none.",
    ends=INTERVAL,
    rare=True,
)
REWARD_OVER_CHAMPION = Metric(
    "reward_over_champion",
    "evaluate",
    "share",
    "above 0",
    "Accuracy of this round's less the champion's, pair by pair. The gate `reward_accuracy` wants `_low` above -.05.",
    ends=INTERVAL,
    rare=True,
)
CHAMPION_REWARD_ECE = Metric(
    "champion_reward_ece",
    "evaluate",
    "share",
    "none",
    "Its calibration error.",
    rare=True,
)
REWARD_BRIER_RISE = Metric(
    "reward_brier_rise",
    "evaluate",
    "none",
    "below 0",
    "Brier score of this round's less the champion's, pair by pair. The gate `calibration` rejects where "
    "`_low` is above .02.",
    ends=INTERVAL,
    rare=True,
)


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
            REWARD_PAIRS: len(pairs.chosen),
            **_accuracy(pairs.margins, pairs).named(REWARD_ACCURACY),
            **_accuracy(pairs.judge_margins, pairs).named(JUDGE_ACCURACY),
            **_accuracy(longer, pairs).named(LONGER_WINS),
            **_accuracy(pairs.words - 0.5, pairs).named(WORDS_ACCURACY),
            **over_length(pairs).named(REWARD_OVER_LENGTH),
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
    return {REWARD_CEILING: float(majority.mean())} if (majority < 1).any() else {}


def length_pull(margins: Array, longer: Array) -> Metrics:
    """Pearson correlation of margin and length difference: within pairs, so that the prompt's own length is out."""
    if np.ptp(margins) == 0 or np.ptp(longer) == 0:
        return {}
    return {REWARD_LENGTH_CORRELATION: float(np.corrcoef(margins, longer)[0, 1])}


def _accuracy(margins: npt.ArrayLike, pairs: HoldoutPairs) -> Interval:
    from evaluation.statistics import rates

    return rates.accuracy(margins, pairs.p_chosen, pairs.groups)


def _calibration(pairs: HoldoutPairs) -> Metrics:
    fit, luck = calibration(pairs.margins, pairs.p_chosen), chance(pairs.margins, pairs.p_chosen)
    return {REWARD_ECE: fit.ece, REWARD_ECE_P: luck.p, REWARD_ECE_CHANCE: luck.ece, REWARD_BRIER: fit.brier}


def _beside_champion(pairs: HoldoutPairs) -> Metrics:
    """Both reward models on the same pairs, pair by pair; {} where the champion learned from none."""
    if pairs.champion_margins is None:
        return {}
    keep = pairs.p_chosen != 0.5
    some, theirs = decided(pairs), pairs.champion_margins
    more = paired(agreement(some.margins, some.p_chosen), agreement(theirs[keep], some.p_chosen), some.groups)
    rise = paired(brier(pairs.margins, pairs.p_chosen), brier(theirs, pairs.p_chosen), pairs.groups)
    return {
        **_accuracy(theirs[keep], some).named(CHAMPION_REWARD_ACCURACY),
        **more.named(REWARD_OVER_CHAMPION),
        CHAMPION_REWARD_ECE: calibration(theirs, pairs.p_chosen).ece,
        **rise.named(REWARD_BRIER_RISE),
    }
