"""What the judge model says: an early sign and an alarm. It learned from the same people, and shares their bias."""

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
    "Prompts on which the judge scores the candidate higher. Worry when it is far above `evaluate/win_rate`: "
    "the candidate pleases models more than people.",
    ends=INTERVAL,
)
JUDGE_GAIN = Metric(
    "judge_gain",
    "evaluate",
    "standard deviations",
    "above 0",
    "By how much it scores it higher, prompt by prompt.",
    ends=INTERVAL,
)
JUDGE_PROMPTS = Metric(
    "judge_prompts",
    "evaluate",
    "prompts",
    "up",
    "Prompts it compared.",
)
JUDGE_OVER_VOTES = Metric(
    "judge_over_votes",
    "evaluate",
    "share",
    "near 0",
    "Votes for the candidate that the judge expects, by its calibrated probabilities, less those there are, "
    "prompt by prompt. Worry far above 0: judge and people part, and the gate `overoptimisation` looks for "
    "it. Left out without fresh votes.",
    ends=INTERVAL,
    rare=True,
)


class Judge(Evaluation):
    """The judge model's win rate of the candidate, by how much it scores it higher, and how far votes bear it out."""

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Compare the judge's scores, prompt by prompt, and its probabilities with the votes."""
        from evaluation.statistics import rates

        rate = rates.win_rate(candidate.judge, champion.judge, data.groups)
        gain = paired(candidate.judge, champion.judge, data.groups)
        found = rate.named(JUDGE_WIN_RATE) | gain.named(JUDGE_GAIN) | {JUDGE_PROMPTS: rate.n}
        return found | over_votes(expected(candidate, champion, data), data)


def expected(candidate: Answers, champion: Answers, data: Holdout) -> Array:
    """(n,) probability that a voter prefers the candidate's answer, by the calibrated judge.

    Unlike who scores higher, it can be held against votes, which are noisy.
    """
    return cast(Array, expit((candidate.judge - champion.judge) * data.judge_scale))


def over_votes(chances: Array, data: Holdout) -> Metrics:
    """By how much the judge expects more votes for the candidate than there are; {} where there are none."""
    place = {prompt_id(prompt): row for row, prompt in enumerate(data.prompts)}
    known = [ballot for ballot in count(data.votes).get(OVERALL, []) if ballot.prompt_id in place]
    if not known:
        return {}
    gaps = [chances[place[ballot.prompt_id]] - won(ballot) for ballot in known]
    return bootstrap(gaps, [ballot.group for ballot in known]).named(JUDGE_OVER_VOTES)
