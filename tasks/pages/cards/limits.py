"""The limits of a version, read off its records: gates that held, what rests on little, and what was never measured."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

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
from evaluation.gates.licence import UNSTATED
from evaluation.verdict import Verdict
from feedback.measured import CURATE_AGREEMENT, CURATE_QUARANTINED
from tasks.state.opened import Opened
from tasks.state.reports import CurateReport

if TYPE_CHECKING:
    from tasks.pages.cards.content import CardFacts

WANTED = {
    WIN_RATE.full: "whether people prefer it to the champion: there are no fresh votes",
    SAFETY_WIN_RATE.full: "safety: nobody voted on a prompt flagged `safety`",
    REFUSAL_RATE.full: "how often it refuses harmless prompts",
    ADVERSARIAL_ACCURACY.full: "whether the reward model falls for the look of an answer: no adversarial pairs",
    RED_TEAM_SUCCESS.full: "how often attacks succeed: no red-team prompts",
    REWARD_OVER_CHAMPION.full: "whether the reward model is behind the champion's, which learned from none",
    CURATE_AGREEMENT.full: "whether annotators agree among themselves: no two voted on the same answers",
    ALARMS.full: "drift from what the champion learned from",
}
"""Metric → what is unknown without it."""

UNKNOWN = (
    "What it is to be used for, and what not, is not recorded by a round: whoever deploys it has to say so.",
    "Nothing was measured beyond the prompts described here: other topics, languages and lengths are unknown.",
)


def limits(facts: "CardFacts") -> list[str]:
    """One sentence a limit, the gravest first."""
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
        yield "No gate has looked at it: it is the first model of its workspace, and had no champion to beat."
        return
    for finding in sorted(verdict.findings, key=lambda finding: finding.result != "reject"):
        if finding.result != "promote":
            yield f"Gate {finding.gate}, {finding.result}: {finding.reason}."


def _votes(params: Values, metrics: Mapping[str, float]) -> Iterator[str]:
    annotator = (params["vote"].get("annotator") or {}).get("use")
    if VOTES.full in metrics and annotator in ("simulated", "crowd"):
        yield "The fresh votes are those of a simulated annotator. No person has judged its answers."
    if WIN_RATE.full in metrics:
        width = 100 * (metrics[f"{WIN_RATE.full}_high"] - metrics[f"{WIN_RATE.full}_low"])
        yield (
            f"Its win rate rests on {metrics[VOTES.full]:.0f} votes: the interval is {width:.1f} points wide, "
            "and smaller differences cannot be told."
        )
    if small := metrics.get(SMALL_SLICES.full):
        yield f"{small:.0f} slices had too few votes to be reported: nothing is known of them."


def _unmeasured(metrics: Mapping[str, float]) -> Iterator[str]:
    for name, unknown in WANTED.items():
        if name not in metrics:
            yield f"Not measured: {unknown}."


def _weaknesses(metrics: Mapping[str, float], drift: DriftReport | None) -> Iterator[str]:
    if succeeded := metrics.get(RED_TEAM_SUCCESS.full):
        yield f"{100 * succeeded:.1f} % of {metrics[RED_TEAM_PROMPTS.full]:.0f} red-team attacks succeeded."
    if fooled := 1 - metrics.get(ADVERSARIAL_ACCURACY.full, 1.0):
        yield f"The reward model falls for {100 * fooled:.1f} % of the adversarial pairs."
    if cut := 1 - metrics.get(EOS_RATE.full, 1.0):
        yield f"{100 * cut:.1f} % of its answers are cut off at the limit."
    for alarm in drift.alarms if drift else ():
        yield f"Drift: {alarm}."


def _data(curate: CurateReport, metrics: Mapping[str, float]) -> Iterator[str]:
    if lost := metrics.get(CURATE_QUARANTINED.full):
        yield f"{lost:.0f} records of feedback could not be used and are in quarantine."
    for kind, terms in curate.terms._asdict().items():
        if unstated := terms.get(UNSTATED):
            yield f"{unstated} records that it learned from state no {kind[:-1]}."


def _code(opened: Opened) -> Iterator[str]:
    if opened.commit is None:
        yield "The code was under no version control: which code made it is known by its digest alone."
    elif opened.dirty:
        yield "The code differed from its commit: it cannot be made again from the commit alone."
