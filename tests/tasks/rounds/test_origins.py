"""The effective value of each knob, and its origin."""

from pathlib import Path

import pytest

from core.errors import BadParams
from tasks.rounds.origins import Knob, origins
from tasks.state.choosing import at
from tasks.state.workspace import Workspace

TEXT = """\
seed: 0
policy: ppo
sft:
  epochs: 5
  batch: 32
curate:
  split: {train: 0.6, judge: 0.2, holdout: 0.2}
verdict:
  gates:
    win_rate:
    safety: {margin: 0.1}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return at(tmp_path / "workspace")


def by_name(workspace: Workspace, *overrides: str) -> dict[str, Knob]:
    return {knob.name: knob for knob in origins(workspace, overrides)}


def test_a_new_workspace_has_every_default(workspace: Workspace) -> None:
    knobs = by_name(workspace)
    assert {(knob.origin, knob.changed) for knob in knobs.values()} == {("default", False)}
    assert knobs["policy.kl.coefficient"].value == 0.05
    assert knobs["verdict.gates.win_rate.min_votes"].value == 200


def test_a_line_of_the_file_is_named(workspace: Workspace) -> None:
    workspace.params.write_text(TEXT)
    knobs = by_name(workspace)
    assert {knob.name: (knob.value, knob.origin) for knob in knobs.values() if knob.changed} == {
        "sft.epochs": (5, "params.yaml:4"),
        "curate.split.train": (0.6, "params.yaml:7"),
        "curate.split.judge": (0.2, "params.yaml:7"),
        "curate.split.holdout": (0.2, "params.yaml:7"),
        "verdict.gates.win_rate": (None, "params.yaml:10"),
        "verdict.gates.safety.margin": (0.1, "params.yaml:11"),
    }
    assert knobs["sft.batch"] == Knob("sft.batch", 32, "params.yaml:5", changed=False)
    assert knobs["policy.use"].origin == "params.yaml:2"
    assert knobs["policy.steps"].origin == "default"


def test_an_override_replaces_what_the_file_says(workspace: Workspace) -> None:
    workspace.params.write_text(TEXT)
    knobs = by_name(workspace, "sft.epochs=3", "verdict.gates={safety: {min_votes: 9}}")
    assert knobs["sft.epochs"] == Knob("sft.epochs", 3, "-S sft.epochs=3", changed=False)
    assert knobs["verdict.gates.win_rate.min_votes"].origin == "default"
    assert knobs["verdict.gates.safety.margin"].origin == "default"
    assert knobs["verdict.gates.safety.min_votes"].value == 9
    assert knobs["verdict.gates.safety.min_votes"].origin.startswith("-S verdict.gates=")


def test_a_file_that_cannot_be_used_is_refused(workspace: Workspace) -> None:
    workspace.params.write_text("sft: {epoch: 5}\n")
    with pytest.raises(BadParams, match=r"sft\.epoch: there is no such knob; did you mean 'epochs'"):
        origins(workspace)
