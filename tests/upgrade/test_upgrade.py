"""A workspace that an earlier version made goes on with this one."""

import json
from pathlib import Path

import pytest
import yaml

from core.errors import BadWorkspace
from core.files import digest
from core.settings import read
from flows.round import rlhf_round
from tasks.history.replay import replay
from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.rounds import opening
from tasks.rounds.params import RoundSettings
from tasks.rounds.tidy import tidy
from tasks.state import graph, identity, receipts, records
from tasks.state.workspace import PROJECT, Workspace
from tests.commands import Rounds
from tests.profile import HOLD, TINY
from tests.workspaces import unpacked

pytestmark = pytest.mark.rounds

ARCHIVE = Path(__file__).parent / "rounds-0.1.0.tar.xz"
COMMIT = "163df196a833c7bcadc344b81f8dcde2a528b336"
"""What made the archive, as its records say."""

STEPPED = [word for override in (*TINY, HOLD) for word in ("-S", override)]


@pytest.fixture
def old(surroundings: None, tmp_path: Path) -> Workspace:
    """Rounds 0 and 1, promoted, and round 2 on hold, as version 0.1.0 left them."""
    return unpacked(ARCHIVE, tmp_path / "workspace")


@pytest.fixture
def left_open(old: Workspace) -> Workspace:
    """The same before round 2 was finished."""
    records.path(old, 2).unlink()
    return old


def test_what_is_finished_can_be_read(old: Workspace, rounds: Rounds) -> None:
    assert records.numbers(old) == [0, 1, 2]
    assert [records.read(old, number).number for number in records.numbers(old)] == [0, 1, 2]
    assert audit.verify(old.audit) == []
    champion = Registry(old.root).champion()
    assert champion is not None
    assert (champion.version, champion.round) == ("2", 1)
    status = rounds("status", "-w", old.root)
    assert (status.code, "Traceback" in status.err) == (0, False)
    assert "held" in status.out
    traced = json.loads(rounds("lineage", "policy@champion", "--json", "-w", old.root).out)
    assert [row["round"] for row in traced["rounds"]] == [1]


def test_the_plan_opens_the_next_round(old: Workspace, rounds: Rounds) -> None:
    before = old.graph.read_text()
    result = rounds("plan", "--json", "-w", old.root, *STEPPED)
    plan = json.loads(result.out)
    assert (plan["would"], plan["round"]) == ("open", 3)
    assert "model.threads: null → 1" in plan["because"]
    assert any(reason.startswith("the code has changed: 2ac164f53df49777") for reason in plan["because"])
    assert old.graph.read_text() == before


@pytest.mark.usefixtures("prefect")
def test_the_next_round_opens_and_ends(old: Workspace) -> None:
    finished = {number: records.read(old, number) for number in (0, 1, 2)}
    assert "python -m tasks collect" in old.graph.read_text()
    record = rlhf_round([*TINY, HOLD], str(old.root))
    assert record is not None
    assert (record.number, record.parent) == (3, finished[2].key)
    assert record.verdict.result == "hold"
    assert record.inputs.champion is not None
    assert record.inputs.champion.version == "2"
    assert record.inputs.salt == finished[0].inputs.salt == identity.made(old).salt
    assert receipts.read(old) == {}
    assert old.graph.read_text() == (PROJECT / "dvc.yaml").read_text()
    assert {number: records.read(old, number) for number in finished} == finished
    assert audit.verify(old.audit) == []


def test_a_full_params_yaml_is_reduced_to_nothing(old: Workspace) -> None:
    tidy(old)
    assert read(old.params) == {"reward": {"likelihood": 0.2}}  # today's default for a model from scratch is the same
    full = yaml.safe_load((old.root / "params.yaml.bak").read_text())
    full["reward"].pop("likelihood")
    assert RoundSettings.model_validate(full) == RoundSettings()


def test_an_open_round_is_finished_by_the_code_that_opened_it(left_open: Workspace, rounds: Rounds) -> None:
    before = left_open.graph.read_text()
    result = rounds("round", "-w", left_open.root, *STEPPED)
    assert result.code == 2
    assert f"git checkout {COMMIT}" in result.err
    assert "rounds round --reopen" in result.err
    assert left_open.graph.read_text() == before
    assert json.loads(rounds("plan", "--json", "-w", left_open.root).out)["would"] == "refuse"


@pytest.mark.parametrize(("state", "cure"), [("old", "`rounds round`"), ("left_open", "`rounds round --reopen`")])
def test_a_step_is_run_by_the_code_that_opened_its_round(
    state: str, cure: str, rounds: Rounds, request: pytest.FixtureRequest
) -> None:
    workspace: Workspace = request.getfixturevalue(state)
    before = digest(workspace.data)
    refused = rounds("step", "verdict", "-w", workspace.root)
    assert refused.code == 2
    assert all(fact in refused.err for fact in ("round 2", f"git checkout {COMMIT}", cure.rstrip("`")))
    assert digest(workspace.data) == before


def test_an_open_round_can_be_dropped_instead(left_open: Workspace) -> None:
    opening.drop(left_open)
    opened = opening.open_round(left_open, [*TINY, HOLD], Registry(left_open.root))
    assert opened.number == 3  # the registry has a version of round 2
    assert opened.champion is not None
    assert opened.champion.version == "2"
    assert left_open.graph.read_text() == (PROJECT / "dvc.yaml").read_text()


def test_an_edited_data_graph_is_refused(old: Workspace, rounds: Rounds) -> None:
    text = old.graph.read_text() + "  mine:\n    cmd: echo mine\n"
    old.graph.write_text(text)
    for command in ("plan", "round"):
        result = rounds(command, "-w", old.root, *STEPPED)
        assert result.code == 2
        assert str(PROJECT / "dvc.yaml") in result.err
    assert old.graph.read_text() == text
    assert not records.unfinished(old)


def test_an_old_round_is_replayed_by_its_own_code(old: Workspace, tmp_path: Path) -> None:
    with pytest.raises(BadWorkspace, match=f"git checkout {COMMIT}"):
        replay(old, "1", tmp_path / "replayed", None, judge=False)


def test_the_data_graph_that_ships_is_known() -> None:
    assert graph.digest((PROJECT / "dvc.yaml").read_text()) == graph.SHIPPED[-1]


def test_line_ends_are_no_edit(old: Workspace) -> None:
    old.graph.write_bytes(old.graph.read_bytes().replace(b"\n", b"\r\n"))
    graph.renew(old)
    assert old.graph.read_text() == (PROJECT / "dvc.yaml").read_text()
