from pathlib import Path

import pytest

from tasks.state import identity
from tasks.state.choosing import at
from tasks.state.line import POLICY, LineRecord, ModelLine, line_record, of_experiment, own_name


def test_the_line_of_a_local_database_has_the_names_of_earlier_releases() -> None:
    assert (POLICY.model("policy"), POLICY.model("reward")) == ("policy", "reward")
    assert (POLICY.rounds, POLICY.promotions) == ("rounds", "promotions")


def test_every_name_of_another_line_has_its_name_as_prefix() -> None:
    line = ModelLine("help-desk-1a2b")
    assert line.model("reward") == "help-desk-1a2b.reward"
    assert (line.rounds, line.promotions) == ("help-desk-1a2b.rounds", "help-desk-1a2b.promotions")


@pytest.mark.parametrize(
    ("experiment", "line"),
    [
        ("rounds", POLICY),
        ("help-desk-1a2b.rounds", ModelLine("help-desk-1a2b")),
        ("promotions", None),
        ("help-desk-1a2b.promotions", None),
        (".rounds", None),
        ("Default", None),
    ],
)
def test_an_experiment_names_its_line(experiment: str, line: ModelLine | None) -> None:
    assert of_experiment(experiment) == line


@pytest.mark.parametrize("line", [POLICY, ModelLine("a-1")])
def test_the_experiment_of_a_line_leads_back_to_it(line: ModelLine) -> None:
    assert of_experiment(line.rounds) == line


def test_a_version_can_be_named_as_the_server_names_it() -> None:
    line = ModelLine("a-1")
    assert line.unprefixed("a-1.policy/3") == line.unprefixed("policy/3") == "policy/3"
    assert POLICY.unprefixed("policy/3") == "policy/3"


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("help desk", "help-desk-1a2b"),
        ("a/b:c.d %&<>", "a-b-c-d-1a2b"),
        ("Ünï", "n-1a2b"),
        ("日本", "line-1a2b"),
        ("x" * 99, "x" * 40 + "-1a2b"),
    ],
)
def test_a_workspace_names_its_own_line_in_characters_that_servers_accept(name: str, own: str) -> None:
    assert own_name(name, "1a2b") == own


def test_the_salt_of_an_adopted_line_is_that_of_the_workspace(tmp_path: Path) -> None:
    workspace = at(tmp_path / "w", salt="mine")
    assert line_record(workspace) is None
    LineRecord(line="a-1", server="http://mlflow").save(workspace.line)
    assert identity.known_salt(workspace) == "mine"
    LineRecord(line="a-1", server="http://mlflow", salt="theirs").save(workspace.line)
    assert identity.known_salt(workspace) == "theirs"
    assert identity.made(workspace).salt == "mine"  # written once
