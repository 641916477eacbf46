"""The true gain, which only the source of a simulated world knows. It is reported, but hidden from gates."""

from core.metrics import INTERVAL, Metric
from evaluation.evals import Answers, Evaluation, Holdout, Metrics
from evaluation.statistics.intervals import paired

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
    """Mean true utility of both models on prompts of a source that knows it, and the paired gain by prompt group."""

    oracle = (TRUE_UTILITY, TRUE_UTILITY_CHAMPION, TRUE_GAIN)

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Measure; {} if no source knows the utility of an answer."""
        if data.probes is None:
            return {}
        utilities = [
            (row, data.probes.utility(prompt, candidate.texts[row]), data.probes.utility(prompt, champion.texts[row]))
            for row, prompt in enumerate(data.prompts)
        ]
        known = [(row, ours, theirs) for row, ours, theirs in utilities if ours is not None and theirs is not None]
        if not known:
            return {}
        rows, ours, theirs = zip(*known, strict=True)
        return {
            TRUE_UTILITY: sum(ours) / len(ours),
            TRUE_UTILITY_CHAMPION: sum(theirs) / len(theirs),
            **paired(ours, theirs, [data.groups[row] for row in rows]).named(TRUE_GAIN),
        }
