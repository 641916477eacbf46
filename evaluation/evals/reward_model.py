"""Accuracy and calibration of the reward model on held-out preferences, against length and word baselines."""

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
    "Non-tied held-out pairs: those whose votes are not split evenly.",
)
HOLDOUT_EQUAL_AFTER_CUT = Metric(
    "equal_after_cut",
    "evaluate",
    "pairs",
    "0",
    "Held-out pairs whose two answers are equal once they are cut to `model.max_answer_tokens`. They are left out of "
    "the evaluation of the reward model.",
)
REWARD_ACCURACY = Metric(
    "reward_accuracy",
    "evaluate",
    "share",
    "up",
    "Accuracy of the reward model. It *falls* over good rounds, as answers get closer and votes noisier: compare it "
    "with `evaluate/reward_ceiling`.",
    ends=INTERVAL,
)
REWARD_CEILING = Metric(
    "reward_ceiling",
    "evaluate",
    "share",
    "none",
    "Best possible accuracy on these votes: from the known noise of the simulated annotator, or from how real votes on "
    "one pair split. Omitted if neither is known.",
    rare=True,
)
JUDGE_ACCURACY = Metric(
    "judge_accuracy",
    "evaluate",
    "share",
    "up",
    "Accuracy of the judge model.",
    ends=INTERVAL,
)
WORDS_ACCURACY = Metric(
    "words_accuracy",
    "evaluate",
    "share",
    "none",
    "Accuracy of a logistic regression on words and word pairs, fitted to the same training pairs. If it is above "
    "`evaluate/reward_accuracy`, the network is worse than a list of words.",
    ends=INTERVAL,
)
LONGER_WINS = Metric(
    "longer_wins",
    "evaluate",
    "share",
    "none",
    'Accuracy of the rule "the longer answer wins".',
    ends=INTERVAL,
)
REWARD_OVER_LENGTH = Metric(
    "reward_over_length",
    "evaluate",
    "share",
    "above 0",
    'Accuracy of the reward model minus that of "the longer wins" or "the shorter wins", whichever is better. '
    "The gate `reward_accuracy` needs `_low` above .03, and rejects if `_high` is below 0.",
    ends=INTERVAL,
)
REWARD_LENGTH_CORRELATION = Metric(
    "reward_length_correlation",
    "evaluate",
    "Pearson's r",
    "near 0",
    "Correlation of margin and difference in length, within pairs. If it is far from that of the votes themselves, the "
    "reward follows length. Omitted if either is constant.",
    rare=True,
)
REWARD_ECE = Metric(
    "reward_ece",
    "evaluate",
    "share",
    "down",
    "Expected calibration error: mean gap between the model's confidence in the answer it prefers and that answer's "
    "share of votes, over ten bins of equal size (Guo et al. 2017).",
)
REWARD_ECE_CHANCE = Metric(
    "reward_ece_chance",
    "evaluate",
    "share",
    "none",
    "Mean calibration error of a perfectly calibrated model on as many pairs: sampling error alone (consistency "
    "resampling, Bröcker and Smith 2007).",
)
REWARD_ECE_P = Metric(
    "reward_ece_p",
    "evaluate",
    "none",
    "none",
    "P-value of the calibration error for a perfectly calibrated model. The gate `calibration` rejects below .05 if "
    "the error is also large.",
)
REWARD_BRIER = Metric(
    "reward_brier",
    "evaluate",
    "none",
    "down",
    "Brier score: mean squared error of the probability (Brier 1950); always predicting .5 gives .25.",
)
CHAMPION_REWARD_ACCURACY = Metric(
    "champion_reward_accuracy",
    "evaluate",
    "share",
    "none",
    "Accuracy of the champion's reward model on the same pairs. This and the next three are omitted if the champion "
    "was trained without one.",
    ends=INTERVAL,
    rare=True,
)
REWARD_OVER_CHAMPION = Metric(
    "reward_over_champion",
    "evaluate",
    "share",
    "above 0",
    "Accuracy of this round's reward model minus the champion's: paired difference. The gate `reward_accuracy` needs "
    "`_low` of -.05 or more.",
    ends=INTERVAL,
    rare=True,
)
CHAMPION_REWARD_ECE = Metric(
    "champion_reward_ece",
    "evaluate",
    "share",
    "none",
    "Expected calibration error of the champion's reward model.",
    rare=True,
)
REWARD_BRIER_RISE = Metric(
    "reward_brier_rise",
    "evaluate",
    "none",
    "below 0",
    "Brier score of this round's reward model minus the champion's: paired difference. The gate `calibration` rejects "
    "if `_low` is above .02.",
    ends=INTERVAL,
    rare=True,
)


class RewardModelAccuracy(Evaluation):
    """Accuracy on held-out preferences with ceiling and baselines, calibration, and correlation with length.

    Accuracy is the share of votes that agree with the margin's sign, over *non-tied* pairs: those not split evenly.
    """

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Compare margins with votes; {} if all pairs are tied."""
        pairs = non_tied(data.pairs)
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
            **length_correlation(pairs.margins, longer),
            **_calibration(data.pairs),
            **_against_champion(data.pairs),
        }


def non_tied(pairs: HoldoutPairs) -> HoldoutPairs:
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
    """(n,) length of chosen minus that of rejected, in characters."""
    return np.array([len(a) - len(b) for a, b in zip(pairs.chosen, pairs.rejected, strict=True)], dtype=np.float64)


def over_length(pairs: HoldoutPairs) -> Interval:
    """Accuracy of the reward model minus that of "the longer wins" or "the shorter wins", whichever is better."""
    longer = agreement(lengths(pairs), pairs.p_chosen)
    baseline = longer if longer.mean() >= 0.5 else 1 - longer
    return paired(agreement(pairs.margins, pairs.p_chosen), baseline, pairs.groups)


def ceiling(p_chosen: Array) -> Metrics:
    """Accuracy of a model that always predicts the majority: the best possible on split votes.

    {} if no votes are split: single votes do not show how often people would disagree.
    """
    majority = np.maximum(p_chosen, 1 - p_chosen)
    return {REWARD_CEILING: float(majority.mean())} if (majority < 1).any() else {}


def length_correlation(margins: Array, longer: Array) -> Metrics:
    """Pearson correlation of margin and length difference, within pairs, so that the prompt has no effect."""
    if np.ptp(margins) == 0 or np.ptp(longer) == 0:
        return {}
    return {REWARD_LENGTH_CORRELATION: float(np.corrcoef(margins, longer)[0, 1])}


def _accuracy(margins: npt.ArrayLike, pairs: HoldoutPairs) -> Interval:
    from evaluation.statistics import rates

    return rates.accuracy(margins, pairs.p_chosen, pairs.groups)


def _calibration(pairs: HoldoutPairs) -> Metrics:
    fit, expected = calibration(pairs.margins, pairs.p_chosen), chance(pairs.margins, pairs.p_chosen)
    return {REWARD_ECE: fit.ece, REWARD_ECE_P: expected.p, REWARD_ECE_CHANCE: expected.ece, REWARD_BRIER: fit.brier}


def _against_champion(pairs: HoldoutPairs) -> Metrics:
    """Paired differences of the two reward models on the same pairs; {} if the champion was trained without one."""
    if pairs.champion_margins is None:
        return {}
    keep = pairs.p_chosen != 0.5
    votes, theirs = non_tied(pairs), pairs.champion_margins
    gain = paired(agreement(votes.margins, votes.p_chosen), agreement(theirs[keep], votes.p_chosen), votes.groups)
    rise = paired(brier(pairs.margins, pairs.p_chosen), brier(theirs, pairs.p_chosen), pairs.groups)
    return {
        **_accuracy(theirs[keep], votes).named(CHAMPION_REWARD_ACCURACY),
        **gain.named(REWARD_OVER_CHAMPION),
        CHAMPION_REWARD_ECE: calibration(theirs, pairs.p_chosen).ece,
        **rise.named(REWARD_BRIER_RISE),
    }
