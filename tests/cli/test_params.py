"""`rounds params`."""

import json

from tasks.state.workspace import Workspace
from tests.commands import Rounds


def test_values_and_where_they_come_from(rounds: Rounds, workspace: Workspace) -> None:
    workspace.params.write_text("policy:\n  steps: 20\n  epochs: 2\n")
    result = rounds("params", "policy", "--json", "-w", workspace.root, "-S", "policy.kl.target=6")
    knobs = {knob["name"]: knob for knob in json.loads(result.out)}
    assert knobs["policy.steps"] == {
        "name": "policy.steps",
        "value": 20,
        "origin": "params.yaml:2",
        "changed": True,
    }
    assert knobs["policy.kl.target"]["origin"] == "-S policy.kl.target=6"
    assert knobs["policy.epochs"]["origin"] == "params.yaml:3"
    assert all(name.startswith("policy.") for name in knobs)
    changed = rounds("params", "--changed", "-w", workspace.root)
    assert [line.split() for line in changed.out.splitlines()[1:]] == [["policy.steps", "20", "params.yaml:2"]]


def test_tidy_says_what_was_removed(rounds: Rounds, workspace: Workspace) -> None:
    workspace.params.write_text("policy:\n  steps: 20\n  epochs: 2\n")
    result = rounds("params", "--tidy", "-w", workspace.root)
    assert "policy.epochs" in result.out
    assert "policy.steps" not in result.out
    assert workspace.params.read_text() == "policy:\n  steps: 20\n"
    assert "nothing was changed" in rounds("params", "--tidy", "-w", workspace.root).out


def test_a_section_that_is_not_there(rounds: Rounds, workspace: Workspace) -> None:
    result = rounds("params", "polcy", "-w", workspace.root)
    assert result.code == 2
    assert "did you mean 'policy'" in result.err
