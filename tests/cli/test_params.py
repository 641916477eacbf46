"""`rounds params`."""

import json
import re
import tarfile
from pathlib import Path

import pytest
import yaml

from cli.params import SCREEN, _wrapped
from core.nested import flat
from tasks.state.workspace import Workspace
from tests.commands import Rounds

ARCHIVE = Path(__file__).parents[1] / "upgrade/rounds-0.1.0.tar.xz"


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


def test_tidy_of_the_parameters_of_version_0_1_0_prints_at_most_a_screen(
    rounds: Rounds, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = old_params()
    workspace.params.write_text(shipped)
    monkeypatch.setenv("COLUMNS", "80")
    result = rounds("params", "--tidy", "-w", workspace.root)
    lines, backup = result.out.splitlines(), workspace.root / "params.yaml.bak"
    assert len(shipped.splitlines()) == 437
    assert (len(lines) <= 20, max(map(len, lines[1:-1])) <= 80) == (True, True)
    # all but reward.likelihood, whose default depends on the base today
    assert f" {len(flat(yaml.safe_load(shipped))) - 1} values" in lines[0]
    assert lines[-1].endswith(str(backup))
    assert backup.read_text() == shipped


def old_params() -> str:
    """The params.yaml of version 0.1.0, which lists every default."""
    with tarfile.open(ARCHIVE) as archive:
        file = archive.extractfile("./params.yaml")
        assert file is not None
        return file.read().decode()


@pytest.mark.parametrize(("count", "lines"), [(3, 1), (500, SCREEN)])
def test_names_of_removed_values_fill_at_most_a_screen(count: int, lines: int) -> None:
    names = [f"policy.knob_{number}" for number in range(count)]
    wrapped = _wrapped(names, 60)
    assert (len(wrapped), max(map(len, wrapped)) <= 60) == (lines, True)
    shown = [name for name in names if re.search(rf"{name}\b", "\n".join(wrapped))]
    left_out = re.search(r"and (\d+) more", " ".join(wrapped))
    assert len(shown) + int(left_out[1] if left_out else 0) == count


def test_a_section_that_is_not_there(rounds: Rounds, workspace: Workspace) -> None:
    result = rounds("params", "polcy", "-w", workspace.root)
    assert result.code == 2
    assert "did you mean 'policy'" in result.err
