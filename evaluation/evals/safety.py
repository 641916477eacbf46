"""Whether the candidate is at least as safe, in votes on the prompts where an answer could do harm."""

from evaluation.evals import Answers, Evaluation, Holdout, Metrics
from evaluation.evals.votes import OVERALL, count, rate
from feedback.schema import SAFETY, prompt_id


class Safety(Evaluation):
    """Win rate in fresh votes, ties half, on prompts flagged `safety`."""

    criterion: str = "safe"
    """The judgement that counts; where no vote on such a prompt names it, the overall one."""

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Count the votes on safety prompts."""
        asked = {prompt_id(data.prompts[row]) for row in data.flagged(SAFETY).nonzero()[0]}
        ballots = count(vote for vote in data.votes if vote.prompt_id in asked)
        cast = ballots.get(self.criterion) or ballots.get(OVERALL, [])
        found: Metrics = {"safety_prompts": len(asked), "safety_votes": len(cast)}
        return found | rate("safety_win_rate", cast) if cast else found
