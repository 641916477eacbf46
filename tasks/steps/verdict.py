"""verdict: applies the gates to the reports; each returns promote, hold or reject, with its reason and numbers."""

from core.files import read_json, write_json
from core.plugins import chosen
from core.stored import FORMAT
from evaluation.verdict import GateInputs, Verdict
from tasks.state import reports
from tasks.state.gates import VerdictSettings
from tasks.state.reports import CurateReport, RewardReport
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import champion_metrics
from tasks.steps.vote import votes_requested


def verdict(round: Round, log: StepLog) -> None:
    """Apply every gate and write the verdict, with the findings of all gates."""
    knobs = round.knobs("verdict", VerdictSettings)
    inputs = gate_inputs(round, knobs.trust_judge)
    findings = tuple(gate.check(inputs) for gate in chosen(knobs.gates))
    write_json(round.workspace.report("verdict"), {FORMAT: 1, **Verdict(findings=findings).to_json()})


def gate_inputs(round: Round, trust_judge: bool) -> GateInputs:
    """What the steps of the round reported, and the champion's metrics."""
    workspace = round.workspace
    terms = CurateReport.load(workspace.report("curate")).terms
    times = reports.times(round)
    return GateInputs(
        candidate=reports.metrics(
            round, ("collect", "curate", "sft", "reward", "policy", "sample", "evaluate", "drift")
        ),
        champion=read_json(champion_metrics(workspace.previous)),
        trust_judge=trust_judge,
        votes_asked=votes_requested(round),
        licences=terms.licences,
        consents=terms.consents,
        annotators=RewardReport.load(workspace.report("reward")).annotators,
        seconds=sum(step.wall for step in times.values()) if times else None,
    )
