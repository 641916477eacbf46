"""What the judge model says: an early sign and an alarm. It learned from the same people, and shares their bias."""

from typing import cast

from scipy.special import expit

from evaluation.evals import Answers, Array, Evaluation, Holdout, Metrics
from evaluation.evals.votes import OVERALL, count, won
from evaluation.statistics.intervals import bootstrap, paired
from feedback.schema import prompt_id


class Judge(Evaluation):
    """The judge model's win rate of the candidate, by how much it scores it higher, and how far votes bear it out."""

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Compare the judge's scores, prompt by prompt, and its probabilities with the votes."""
        from evaluation.statistics import rates

        rate = rates.win_rate(candidate.judge, champion.judge, data.groups)
        gain = paired(candidate.judge, champion.judge, data.groups)
        found = rate.named("judge_win_rate") | gain.named("judge_gain") | {"judge_prompts": rate.n}
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
    return bootstrap(gaps, [ballot.group for ballot in known]).named("judge_over_votes")
