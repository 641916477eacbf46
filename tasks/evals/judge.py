"""What the judge model says: an early sign and an alarm. It learned from the same people, and shares their bias."""

from core.intervals import paired
from tasks.evals import Answers, Evaluation, Holdout, Metrics


class Judge(Evaluation):
    """The judge model's win rate of the candidate over the champion, and by how much it scores it higher."""

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Compare the judge's scores, prompt by prompt."""
        from tasks import metrics  # seconds

        rate = metrics.win_rate(candidate.judge, champion.judge, data.groups)
        gain = paired(candidate.judge, champion.judge, data.groups)
        return rate.named("judge_win_rate") | gain.named("judge_gain") | {"judge_prompts": rate.n}
