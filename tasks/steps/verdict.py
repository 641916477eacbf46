"""verdict: the gates read the reports and say promote, hold or reject, each with its reason and numbers."""

from typing import Annotated

from pydantic import Field, SerializeAsAny

from core.files import read_json, write_json
from core.knobs import BaseSettings
from core.plugins import chosen, used_by_name
from core.stored import FORMAT
from evaluation.gates import Gate
from evaluation.verdict import GateInputs, Verdict
from tasks.state import reports
from tasks.state.reports import CurateReport, RewardReport
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import champion_metrics
from tasks.steps.vote import asked

GATES = (
    *("data_quality", "annotators", "licence", "drift"),
    *("reward_accuracy", "calibration"),
    *("win_rate", "criteria", "slices", "safety", "red_team", "refusal", "length", "diversity"),
    *("kl_budget", "overoptimisation", "cost"),
)
"""What every candidate has to pass, unless it is left out: the data, the reward model, the answers, the training."""


class VerdictSettings(BaseSettings):
    """What a candidate has to pass. Sign-off by a person is a pause of the flow, not a gate."""

    gates: Annotated[dict[str, SerializeAsAny[Gate] | None], used_by_name("evaluation.gates", *GATES)] = Field(
        default_factory=dict, validate_default=True
    )
    """Gates by name, with their knobs; only `null` leaves one out. The worst finding is the verdict."""
    trust_judge: bool = False
    """Without fresh votes, believe the judge model. It learned from the same people and shares their bias."""


def verdict(round: Round, log: StepLog) -> None:
    """Ask every gate, and write the worst finding with all reasons."""
    knobs = round.knobs("verdict", VerdictSettings)
    seen = evidence(round, knobs.trust_judge)
    findings = tuple(gate.check(seen) for gate in chosen(knobs.gates))
    write_json(round.workspace.report("verdict"), {FORMAT: 1, **Verdict(findings=findings).to_json()})


def evidence(round: Round, trust_judge: bool) -> GateInputs:
    """What the steps of the round reported, and what is known of the champion."""
    workspace = round.workspace
    terms = CurateReport.load(workspace.report("curate")).terms
    spent = reports.times(round)
    return GateInputs(
        candidate=reports.metrics(
            round, ("collect", "curate", "sft", "reward", "policy", "sample", "evaluate", "drift")
        ),
        champion=read_json(champion_metrics(workspace.previous)),
        trust_judge=trust_judge,
        votes_asked=asked(round),
        licences=terms.licences,
        consents=terms.consents,
        annotators=RewardReport.load(workspace.report("reward")).annotators,
        seconds=sum(step.wall for step in spent.values()) if spent else None,
    )
