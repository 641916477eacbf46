"""Comparison by the judge model: an early indicator and an alarm. It shares the bias of the people it learned from."""

from typing import cast

from scipy.special import expit

from core.metrics import INTERVAL, Metric
from evaluation.evals import Answers, Array, Evaluation, Holdout, Metrics
from evaluation.evals.votes import OVERALL, count, won
from evaluation.statistics.intervals import bootstrap, paired
from feedback.schema import prompt_id

JUDGE_WIN_RATE = Metric(
    "judge_win_rate",
    "evaluate",
    "share",
    "above .5",
    "Share of prompts on which the judge scores the candidate higher. If it is far above `evaluate/win_rate`, the "
    "candidate pleases models more than people.",
    ends=INTERVAL,
)
JUDGE_GAIN = Metric(
    "judge_gain",
    "evaluate",
    "standard deviations",
    "above 0",
    "The judge's score of the candidate minus that of the champion: mean paired difference.",
    ends=INTERVAL,
)
JUDGE_PROMPTS = Metric(
    "judge_prompts",
    "evaluate",
    "prompts",
    "up",
    "Prompts on which the judge compared both.",
)
JUDGE_OVER_VOTES = Metric(
    "judge_over_votes",
    "evaluate",
    "share",
    "near 0",
    "Win rate that the judge's calibrated probabilities predict, minus that of the votes, on the same prompts. If it "
    "is far above 0, judge and people diverge; the gate `overoptimisation` checks this. Omitted without fresh votes.",
    ends=INTERVAL,
    rare=True,
)


class Judge(Evaluation):
    """The candidate's win rate and score gain by the judge model, and their agreement with the votes."""

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Compare the judge's scores, prompt by prompt, and its probabilities with the votes."""
        from evaluation.statistics import rates

        rate = rates.win_rate(candidate.judge, champion.judge, data.groups)
        gain = paired(candidate.judge, champion.judge, data.groups)
        metrics = rate.named(JUDGE_WIN_RATE) | gain.named(JUDGE_GAIN) | {JUDGE_PROMPTS: rate.n}
        return metrics | over_votes(expected(candidate, champion, data), data)


def expected(candidate: Answers, champion: Answers, data: Holdout) -> Array:
    """(n,) probability that a voter prefers the candidate's answer, by the calibrated judge.

    Unlike the sign of the score difference, it can be compared with votes, which are noisy.
    """
    return cast(Array, expit((candidate.judge - champion.judge) * data.judge_scale))


def over_votes(probabilities: Array, data: Holdout) -> Metrics:
    """The win rate that the judge predicts minus that of the votes; {} if there are none."""
    row_of = {prompt_id(prompt): row for row, prompt in enumerate(data.prompts)}
    ballots = [ballot for ballot in count(data.votes).get(OVERALL, []) if ballot.prompt_id in row_of]
    if not ballots:
        return {}
    gaps = [probabilities[row_of[ballot.prompt_id]] - won(ballot) for ballot in ballots]
    return bootstrap(gaps, [ballot.group for ballot in ballots]).named(JUDGE_OVER_VOTES)
