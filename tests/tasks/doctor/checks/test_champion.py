import shutil
from pathlib import Path

import pytest

from core.files import digest
from tasks.history.backup.making import backup
from tasks.registry.alias import Registry
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words
from tests.tasks.doctor.cures import diagnoses, mended

# SQLAlchemy 2.1 warns of how MLflow maps its tables
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def test_an_alias_that_was_moved_by_hand_is_moved_back(rounds: Rounds, continued: Workspace) -> None:
    Registry(continued.root).store.set_registered_model_alias("policy", "champion", "1")
    mended("champion", continued, rounds, "warning")
    assert Registry(continued.root).alias() == "2"


@cures("tasks.doctor.checks.champion._RESTORE: rounds restore FROM --replace")
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
    command = words(found.text, "rounds restore", FROM=str(tmp_path / "saved"))
    assert rounds(*command[1:], "-w", continued.root).code == 0
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


def stored(workspace: Workspace, version: str, name: str = "policy") -> Path:
    """The folder with the files of a version."""
    source = Registry(workspace.root).store.get_model_version(name, version).source
    return Path(str(source).removeprefix("file://"))


def test_files_and_tag_that_were_changed_together_are_compared_with_the_log(
    rounds: Rounds, continued: Workspace
) -> None:
    (stored(continued, "2") / "config.json").write_text("{}")
    forged = digest(stored(continued, "2"))
    Registry(continued.root).store.set_model_version_tag("policy", "2", "digest", forged)
    error = mended("champion", continued, rounds, "error")
    assert ("policy version 2" in error.text, "audit log" in error.text) == (True, True)
    assert Registry(continued.root).alias() == "1"
    assert diagnoses("champion", continued) == []


def test_a_tag_that_was_changed_alone_is_no_damage_of_the_files(continued: Workspace) -> None:
    Registry(continued.root).store.set_model_version_tag("policy", "2", "digest", "0" * 64)
    assert diagnoses("champion", continued) == []
    assert [found.severity for found in diagnoses("audit_log", continued)] == ["error"]


def test_the_reward_model_and_the_predecessor_are_those_of_the_log(continued: Workspace) -> None:
    store = Registry(continued.root).store
    store.set_model_version_tag("policy", "2", "reward_version", "9")
    store.set_model_version_tag("policy", "2", "rollback_to", "9")
    for name, file in (("reward", "config.json"), ("policy", "config.json")):
        (stored(continued, "1", name) / file).write_text("{}")
    found = diagnoses("champion", continued)
    assert [(each.severity, each.text.split(":")[0], each.cure) for each in found] == [
        ("error", "policy version 1", None),
        ("error", "reward version 1", None),
    ]


def test_without_the_log_the_copy_decides_then_the_tag_and_this_is_said(
    continued: Workspace,
) -> None:
    Registry(continued.root).alias()  # corrects the addresses of a copy
    for file in (continued.audit, continued.audit.with_name("audit.jsonl.head")):
        file.unlink()
    shutil.rmtree(continued.rounds)
    found = diagnoses("champion", continued)
    assert {each.severity for each in found} == {"note"}
    assert all("copy of an audit log in MLflow" in each.text for each in found)
    store = Registry(continued.root).store
    store.set_model_version_tag("policy", "2", "digest", "0" * 64)
    assert diagnoses("champion", continued) == found
    [experiment] = [each for each in store.search_experiments() if each.name == "audit"]
    for run in store.search_runs([experiment.experiment_id]):
        store.delete_run(run.info.run_id)
    of_champion, *others = diagnoses("champion", continued)
    assert (of_champion.severity, "by the tag" in of_champion.text) == ("error", True)
    assert {each.severity for each in others} == {"note"}
    assert all("tag of the version" in each.text for each in others)
