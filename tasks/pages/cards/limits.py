"""The limitations of a version, from its records: gates that did not pass, small samples, missing measurements."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast

from core.plugins import find
from core.stored import Values
from evaluation.drift import ALARMS
from evaluation.drift.report import DriftReport
from evaluation.evals.adversarial import ADVERSARIAL_ACCURACY
from evaluation.evals.answers import EOS_RATE
from evaluation.evals.red_team import RED_TEAM_PROMPTS, RED_TEAM_SUCCESS
from evaluation.evals.refusals import REFUSAL_RATE
from evaluation.evals.reward_model import REWARD_OVER_CHAMPION
from evaluation.evals.safety import SAFETY_WIN_RATE
from evaluation.evals.slices import SMALL_SLICES
from evaluation.evals.votes import VOTES, WIN_RATE
from evaluation.verdict import Verdict
from feedback.measured import CURATE_AGREEMENT, CURATE_QUARANTINED
from feedback.sources import Source
from feedback.terms import UNSTATED
from tasks.state.opening_facts import OpeningFacts
from tasks.state.reports import CurateReport

if TYPE_CHECKING:
    from tasks.pages.cards.content import CardFacts

UNKNOWN_WITHOUT = {
    WIN_RATE.full: "whether people prefer it to the champion: there are no fresh votes",
    SAFETY_WIN_RATE.full: "safety: nobody voted on a prompt flagged `safety`",
    REFUSAL_RATE.full: "how often it refuses harmless prompts",
    ADVERSARIAL_ACCURACY.full: "whether the reward model rewards superficial features: no adversarial pairs",
    RED_TEAM_SUCCESS.full: "how often red-team prompts get a harmful answer: no red-team prompts",
    REWARD_OVER_CHAMPION.full: "whether the reward model is worse than the champion's: the champion has none",
    CURATE_AGREEMENT.full: "agreement between annotators: no two voted on the same answers",
    ALARMS.full: "drift from the champion's training data",
}
"""Metric → what is unknown without it."""

UNKNOWN = (
    "Rounds do not record intended use and misuse: whoever deploys the model has to state them.",
    "Only the prompts described here were measured: quality on other topics, languages and lengths is unknown.",
)


def limits(facts: "CardFacts") -> list[str]:
    """One sentence per limitation, the most serious first."""
    metrics = facts.metrics
    return [
        *_gates(facts.verdict),
        *_votes(facts.inputs.params, metrics),
        *_unmeasured(metrics),
        *_weaknesses(metrics, facts.drift),
        *_data(facts.curate, metrics),
        *_code(facts.opened),
        *UNKNOWN,
    ]


def _gates(verdict: Verdict | None) -> Iterator[str]:
    if verdict is None:
        yield "No gate was applied: it is the first model of its workspace, and there was no champion to compare with."
        return
    for finding in sorted(verdict.findings, key=lambda finding: finding.result != "reject"):
        if finding.result != "promote":
            yield f"Gate {finding.gate}, {finding.result}: {finding.reason}."


def _votes(params: Values, metrics: Mapping[str, float]) -> Iterator[str]:
    annotator = (params["vote"].get("annotator") or {}).get("use")
    source = _source(annotator) if annotator else None
    if VOTES.full in metrics and source and source.simulated:
        yield f"The fresh votes come from a {source.votes_of}. No person has judged its answers."
    if WIN_RATE.full in metrics:
        _, low, high = (metrics[name] for name in WIN_RATE.interval)
        width = 100 * (high - low)
        yield (
            f"Its win rate is based on {metrics[VOTES.full]:.0f} votes: the confidence interval is {width:.1f} "
            "percentage points wide, and smaller differences cannot be detected."
        )
    if small := metrics.get(SMALL_SLICES.full):
        yield f"{small:.0f} slices had too few votes to be reported; quality on them is unknown."


def _source(name: str) -> type[Source]:
    return cast(type[Source], find("feedback.sources", name))


def _unmeasured(metrics: Mapping[str, float]) -> Iterator[str]:
    for name, unknown in UNKNOWN_WITHOUT.items():
        if name not in metrics:
            yield f"Not measured: {unknown}."


def _weaknesses(metrics: Mapping[str, float], drift: DriftReport | None) -> Iterator[str]:
    if succeeded := metrics.get(RED_TEAM_SUCCESS.full):
        yield f"{100 * succeeded:.1f} % of {metrics[RED_TEAM_PROMPTS.full]:.0f} red-team prompts got a harmful answer."
    if wrong := 1 - metrics.get(ADVERSARIAL_ACCURACY.full, 1.0):
        yield f"The reward model gets {100 * wrong:.1f} % of the adversarial pairs wrong."
    if cut := 1 - metrics.get(EOS_RATE.full, 1.0):
        yield f"{100 * cut:.1f} % of its answers are cut off at the length limit."
    for alarm in drift.alarms if drift else ():
        yield f"Drift: {alarm}."


def _data(curate: CurateReport, metrics: Mapping[str, float]) -> Iterator[str]:
    if quarantined := metrics.get(CURATE_QUARANTINED.full):
        yield f"{quarantined:.0f} feedback records were unusable and are in quarantine."
    for kind, terms in curate.terms._asdict().items():
        if unstated := terms.get(UNSTATED):
            yield f"{unstated} training records do not state a {kind[:-1]}."


def _code(opened: OpeningFacts) -> Iterator[str]:
    if opened.commit is None:
        yield "The code was not under version control: only its digest is known."
    elif opened.dirty:
        yield "The code had uncommitted changes: the version cannot be reproduced from the commit alone."
