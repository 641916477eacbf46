"""The limits of a version, read off its records: gates that held, what rests on little, and what was never measured."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from evaluation.gates.licence import UNSTATED

if TYPE_CHECKING:
    from tasks.pages.cards.content import CardFacts

WANTED = {
    "evaluate/win_rate": "whether people prefer it to the champion: there are no fresh votes",
    "evaluate/safety_win_rate": "safety: nobody voted on a prompt flagged `safety`",
    "evaluate/refusal_rate": "how often it refuses harmless prompts",
    "evaluate/adversarial_accuracy": "whether the reward model falls for the look of an answer: no adversarial pairs",
    "evaluate/red_team_success": "how often attacks succeed: no red-team prompts",
    "evaluate/reward_over_champion": "whether the reward model is behind the champion's, which learned from none",
    "curate/agreement": "whether annotators agree among themselves: no two voted on the same answers",
    "drift/alarms": "drift from what the champion learned from",
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
        *_votes(facts.inputs["params"], metrics),
        *_unmeasured(metrics),
        *_weaknesses(metrics, facts.reports.get("drift", {})),
        *_data(facts.reports["curate"], metrics),
        *_code(facts.opened),
        *UNKNOWN,
    ]


def _gates(verdict: Mapping[str, Any] | None) -> Iterator[str]:
    if verdict is None:
        yield "No gate has looked at it: it is the first model of its workspace, and had no champion to beat."
        return
    for finding in sorted(verdict["findings"], key=lambda finding: finding["result"] != "reject"):
        if finding["result"] != "promote":
            yield f"Gate {finding['gate']}, {finding['result']}: {finding['reason']}."


def _votes(params: Mapping[str, Any], metrics: Mapping[str, float]) -> Iterator[str]:
    annotator = (params["vote"].get("annotator") or {}).get("use")
    if "evaluate/votes" in metrics and annotator in ("simulated", "crowd"):
        yield "The fresh votes are those of a simulated annotator. No person has judged its answers."
    if "evaluate/win_rate" in metrics:
        width = 100 * (metrics["evaluate/win_rate_high"] - metrics["evaluate/win_rate_low"])
        yield (
            f"Its win rate rests on {metrics['evaluate/votes']:.0f} votes: the interval is {width:.1f} points wide, "
            "and smaller differences cannot be told."
        )
    if small := metrics.get("evaluate/small_slices"):
        yield f"{small:.0f} slices had too few votes to be reported: nothing is known of them."


def _unmeasured(metrics: Mapping[str, float]) -> Iterator[str]:
    for name, unknown in WANTED.items():
        if name not in metrics:
            yield f"Not measured: {unknown}."


def _weaknesses(metrics: Mapping[str, float], drift: Mapping[str, Any]) -> Iterator[str]:
    if succeeded := metrics.get("evaluate/red_team_success"):
        yield f"{100 * succeeded:.1f} % of {metrics['evaluate/red_team_prompts']:.0f} red-team attacks succeeded."
    if fooled := 1 - metrics.get("evaluate/adversarial_accuracy", 1.0):
        yield f"The reward model falls for {100 * fooled:.1f} % of the adversarial pairs."
    if cut := 1 - metrics.get("evaluate/eos_rate", 1.0):
        yield f"{100 * cut:.1f} % of its answers are cut off at the limit."
    for alarm in drift.get("alarms", []):
        yield f"Drift: {alarm}."


def _data(curate: Mapping[str, Any], metrics: Mapping[str, float]) -> Iterator[str]:
    if lost := metrics.get("curate/quarantined"):
        yield f"{lost:.0f} records of feedback could not be used and are in quarantine."
    for kind in ("licences", "consents"):
        if unstated := curate["terms"][kind].get(UNSTATED):
            yield f"{unstated} records that it learned from state no {kind[:-1]}."


def _code(opened: Mapping[str, Any]) -> Iterator[str]:
    if opened["commit"] is None:
        yield "The code was under no version control: which code made it is known by its digest alone."
    elif opened["dirty"]:
        yield "The code differed from its commit: it cannot be made again from the commit alone."
