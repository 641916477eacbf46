"""A real round in a workspace that has adopted the line of another machine. No smaller test runs the steps there."""

from pathlib import Path

import pytest

from tasks.history.lineage import lineage, survey
from tasks.registry import adoption
from tasks.registry.alias import Registry
from tasks.state import records
from tasks.state.workspace import Workspace
from tests.profile import HOLD, PROMOTE, TINY
from tests.workspaces import Furnish, run_round

# SQLAlchemy 2.1 warns of how MLflow maps its tables
pytestmark = [
    pytest.mark.rounds,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]


def test_a_second_machine_continues_the_line(
    continued: Workspace, furnish: Furnish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = records.read(continued, 1), furnish(tmp_path / "second")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{continued.database}")
    adoption.adopt(second, "policy")
    record = run_round(
        second, [*TINY, HOLD, "curate.chosen_as_demonstrations=true"]
    )  # the embedded ones are in round 0
    assert (record.number, record.verdict.result) == (2, "hold")
    assert record.inputs.champion is not None
    assert record.inputs.champion.version == first.version
    assert record.inputs.salt == first.inputs.salt
    assert [past.number for past in survey(continued).rounds] == [0, 1, 2]
    [traced] = lineage(survey(continued), f"policy/{record.version}").rounds
    assert traced.run == record.run_id
    run = Registry(second.root).store.get_run(record.run_id)
    assert run.data.tags["line"] == Registry(second.root).version(record.version).tags["line"] == "policy"


def test_a_new_team_beside_it_begins_with_a_champion_of_its_own(
    continued: Workspace, furnish: Furnish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{continued.database}")
    team = furnish(tmp_path / "new team")
    record = run_round(team, [*TINY, PROMOTE])
    assert (record.number, record.version) == (1, "2")
    Registry(team.root).rollback(None, "rude", "ana")
    assert (Registry(team.root).alias(), Registry(continued.root).alias()) == ("1", "2")
    name = Registry(team.root).line.name
    models = {model.name for model in Registry(team.root).store.search_registered_models()}
    assert models == {"policy", "reward", f"{name}.policy", f"{name}.reward"}
