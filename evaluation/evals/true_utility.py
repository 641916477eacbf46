"""The true gain, where it is known: in the embedded world. For people who read a report; gates never see it."""

from evaluation.evals import Answers, Evaluation, Holdout, Metrics
from evaluation.statistics.intervals import paired
from feedback import world


class TrueUtility(Evaluation):
    """Mean true utility of both models on prompts of the embedded world, and the paired gain by prompt group."""

    oracle = ("true_utility", "true_utility_champion", "true_gain", "true_gain_low", "true_gain_high")

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Measure; {} when no prompt is of the world."""
        requests = [world.parse(prompt[-1].content) for prompt in data.prompts]
        rows = [(row, request) for row, request in enumerate(requests) if request is not None]
        if not rows:
            return {}
        ours = [world.utility(request, candidate.texts[row]) for row, request in rows]
        theirs = [world.utility(request, champion.texts[row]) for row, request in rows]
        return {
            "true_utility": sum(ours) / len(rows),
            "true_utility_champion": sum(theirs) / len(rows),
            **paired(ours, theirs, [data.groups[row] for row, _ in rows]).named("true_gain"),
        }
