from pathlib import Path

import pytest

from tasks.history.backup.making import backup
from tasks.registry.alias import Registry
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.tasks.doctor.cures import diagnoses, mended, typed

# SQLAlchemy 2.1 warns of how MLflow maps its tables
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def test_an_alias_that_was_moved_by_hand_is_moved_back(rounds: Rounds, continued: Workspace) -> None:
    Registry(continued.root).store.set_registered_model_alias("policy", "champion", "1")
    mended("champion", continued, rounds, "warning")
    assert Registry(continued.root).alias() == "2"


def test_damaged_files_of_a_version_are_restored_from_a_backup(
    rounds: Rounds, continued: Workspace, tmp_path: Path
) -> None:
    backup(continued, tmp_path / "saved")
    champion = Registry(continued.root).champion()
    assert champion is not None
    source = Registry(continued.root).store.get_model_version("policy", "2").source
    (Path(str(source).removeprefix("file://")) / "config.json").write_text("{}")
    [found] = diagnoses("champion", continued)
    assert (found.severity, "policy version 2" in found.text) == ("error", True)
    typed(f"rounds restore {tmp_path / 'saved'} -w {continued.root} --replace", rounds)
    assert diagnoses("champion", continued) == []


def test_a_moved_workspace_is_noted_and_its_files_are_found(
    rounds: Rounds, continued: Workspace, tmp_path: Path
) -> None:
    Registry(continued.root)
    continued.root.rename(tmp_path / "elsewhere")
    mended("champion", Workspace(tmp_path / "elsewhere"), rounds, "note")
    assert diagnoses("champion", Workspace(tmp_path / "elsewhere")) == []


def test_a_database_that_is_gone_or_damaged(continued: Workspace) -> None:
    continued.database.write_bytes(b"no database" * 50)
    [damaged] = diagnoses("champion", continued)
    continued.database.unlink()
    [gone] = diagnoses("champion", continued)
    assert (damaged.severity, gone.severity) == ("error", "error")
    assert not continued.database.exists()


def test_a_new_workspace_has_no_champion_to_miss(workspace: Workspace) -> None:
    assert diagnoses("champion", workspace) == []
