"""The inputs that gates get from a round."""

from pathlib import Path

from core.files import write_json
from evaluation.statistics.annotators import AnnotatorAgreement
from tasks.state.round import Round
from tasks.state.workspace import Workspace
from tasks.steps.verdict import gate_inputs


def reported(root: Path) -> Round:
    """A round whose steps have written their reports."""
    workspace = Workspace(root)
    terms = {"licences": {"MIT": 3}, "consents": {"opt-in": 3}}
    write_json(workspace.report("curate"), {"metrics": {"leaked": 0}, "terms": terms})
    write_json(workspace.report("collect"), {"metrics": {"tokens": 7}})
    write_json(workspace.report("reward"), {"metrics": {"pairs": 9}, "annotators": [("ann", 30, 0.8, 0.7, 1.0)]})
    write_json(workspace.previous / "champion.json", {"evaluate/kl_mean": 1.5})
    return Round(workspace, 1, None, seed=0, salt="", champion=None, inbox=(), values={})


def test_gates_get_metrics_terms_and_the_champions_metrics(tmp_path: Path) -> None:
    inputs = gate_inputs(reported(tmp_path), trust_judge=True)
    assert inputs.candidate == {"collect/tokens": 7, "curate/leaked": 0, "reward/pairs": 9}
    assert inputs.annotators == (AnnotatorAgreement("ann", 30, 0.8, 0.7, 1.0),)
    assert (inputs.licences, inputs.consents) == ({"MIT": 3}, {"opt-in": 3})
    assert (inputs.champion, inputs.trust_judge) == ({"evaluate/kl_mean": 1.5}, True)
    assert inputs.seconds is None  # there is no times.json


def test_gates_get_the_total_time_of_the_steps(tmp_path: Path) -> None:
    round = reported(tmp_path)
    times = {"collect": {"wall": 1.5, "learning": 1.0}, "policy": {"wall": 20.0, "learning": 19.0}}
    write_json(round.workspace.metrics / "times.json", times)
    assert gate_inputs(round, trust_judge=False).seconds == 21.5
