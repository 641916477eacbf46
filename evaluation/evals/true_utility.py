"""The true gain, which is known only in the embedded world. It is reported, but hidden from gates."""

from core.metrics import INTERVAL, Metric
from evaluation.evals import Answers, Evaluation, Holdout, Metrics
from evaluation.statistics.intervals import paired
from feedback import world

TRUE_UTILITY = Metric(
    "true_utility",
    "evaluate",
    "utility",
    "up",
    "Mean true utility of the candidate's answers.",
    rare=True,
)
TRUE_UTILITY_CHAMPION = Metric(
    "true_utility_champion",
    "evaluate",
    "utility",
    "up",
    "Mean true utility of the champion's answers.",
    rare=True,
)
TRUE_GAIN = Metric(
    "true_gain",
    "evaluate",
    "utility",
    "above 0",
    "Mean true utility minus the champion's: paired difference.",
    ends=INTERVAL,
    rare=True,
)


class TrueUtility(Evaluation):
    """Mean true utility of both models on prompts of the embedded world, and the paired gain by prompt group."""

    oracle = ("true_utility", "true_utility_champion", "true_gain", "true_gain_low", "true_gain_high")

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Measure; {} if no prompt is from the embedded world."""
        requests = [world.parse(prompt[-1].content) for prompt in data.prompts]
        rows = [(row, request) for row, request in enumerate(requests) if request is not None]
        if not rows:
            return {}
        ours = [world.utility(request, candidate.texts[row]) for row, request in rows]
        theirs = [world.utility(request, champion.texts[row]) for row, request in rows]
        return {
            TRUE_UTILITY: sum(ours) / len(rows),
            TRUE_UTILITY_CHAMPION: sum(theirs) / len(rows),
            **paired(ours, theirs, [data.groups[row] for row, _ in rows]).named(TRUE_GAIN),
        }
