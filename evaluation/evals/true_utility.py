"""The true gain, which is known if a simulation or a rule judges. It is reported, but hidden from gates."""

from collections.abc import Sequence

from core.metrics import INTERVAL, Metric
from evaluation.evals import Answers, Evaluation, Holdout, Metrics, named
from evaluation.statistics.intervals import paired
from feedback.probes import Probes
from feedback.rules import HOLDS
from feedback.schema import Prompt

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


COMPONENT = Metric(
    "component_<name>",
    "evaluate",
    "share",
    "none",
    "Share of the candidate's answers in which a component of the rule holds: its degree is at least one half. Only if "
    "a rule judges.",
    rare=True,
)
CHAMPION_COMPONENT = Metric(
    "champion_component_<name>",
    "evaluate",
    "share",
    "none",
    "The same in the answers of the champion.",
    rare=True,
)


class TrueUtility(Evaluation):
    """Mean true utility of both models on prompts of a source that knows it, and the paired gain by prompt group."""

    oracle = (TRUE_UTILITY, TRUE_UTILITY_CHAMPION, TRUE_GAIN, COMPONENT, CHAMPION_COMPONENT)

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
            **_base_rates(COMPONENT, data.probes, data.prompts, candidate.texts),
            **_base_rates(CHAMPION_COMPONENT, data.probes, data.prompts, champion.texts),
        }


def _base_rates(metric: Metric, probes: Probes, prompts: Sequence[Prompt], texts: Sequence[str]) -> Metrics:
    """The share of the answers in which each component holds."""
    degrees = [probes.degrees(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]
    return {metric.of(named(name)): sum(row[name] >= HOLDS for row in degrees) / len(degrees) for name in degrees[0]}
