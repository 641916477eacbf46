import shutil
from pathlib import Path

import pytest

from core.files import write_json
from tasks.registry import audit, signing
from tasks.registry.alias import Registry
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.tasks.doctor.cures import diagnoses, mended

# SQLAlchemy 2.1 warns of how MLflow maps its tables
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def test_an_edited_log_is_found_and_a_restored_one_is_fine(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for number in range(3):
        audit.append(workspace.audit, "promote", "ana", now=str(number))
    shutil.copytree(workspace.data, tmp_path / "backup")
    workspace.audit.write_text(workspace.audit.read_text().replace("ana", "eve", 1))
    [found] = diagnoses("audit_log", workspace)
    assert (found.severity, "audit.jsonl:2" in found.text) == ("error", True)
    shutil.copytree(tmp_path / "backup", workspace.data, dirs_exist_ok=True)
    assert diagnoses("audit_log", workspace) == []


def test_an_older_data_folder_is_found_and_its_lines_are_written_back(rounds: Rounds, continued: Workspace) -> None:
    older = shutil.copytree(continued.data, continued.root / "older")
    Registry(continued.root).rollback(None, "rude", "ana")
    shutil.rmtree(continued.data)
    older.rename(continued.data)
    assert diagnoses("champion", continued) == []  # not an alias that somebody moved
    found = mended("audit_log", continued, rounds, "error")
    assert ("data/" in found.text, "rounds restore" in found.text) == (True, True)
    assert "rounds audit restore --unverified" in str(found.cure)
    assert audit.read(continued.audit)[-1].event == "rollback"
    assert (diagnoses("audit_log", continued), diagnoses("champion", continued)) == ([], [])


def test_signed_lines_are_written_back_as_verified(rounds: Rounds, continued: Workspace) -> None:
    signing.generate(continued.root / "audit.pem")
    write_json(continued.params, {"audit": {"key": "audit.pem"}})
    Registry(continued.root).rollback(None, "rude", "ana")
    continued.audit.write_text(continued.audit.read_text().replace("rude", "kind", 1))
    found = mended("audit_log", continued, rounds, "error")
    assert "rounds audit restore -w" in str(found.cure)
    assert diagnoses("audit_log", continued) == []


def test_a_deleted_alias_is_set_again(rounds: Rounds, continued: Workspace) -> None:
    Registry(continued.root).store.delete_registered_model_alias("policy", "champion")
    found = mended("audit_log", continued, rounds, "error")
    assert "promote 2" in str(found.cure)
    assert Registry(continued.root).alias() == "2"
    assert diagnoses("audit_log", continued) == []


def test_a_deleted_version_is_accepted_and_replaced_by_the_champion_before(
    rounds: Rounds, continued: Workspace
) -> None:
    Registry(continued.root).store.delete_model_version("policy", "2")
    deleted = mended("audit_log", continued, rounds, "error")
    assert "policy version 2" in deleted.text
    mended("audit_log", continued, rounds, "error")
    assert Registry(continued.root).alias() == "1"
    assert diagnoses("audit_log", continued) == []


def test_an_alias_on_a_version_of_no_round_is_moved_back(rounds: Rounds, continued: Workspace, tmp_path: Path) -> None:
    store = Registry(continued.root).store
    mine = store.create_model_version("policy", tmp_path.as_uri())
    store.set_registered_model_alias("policy", "champion", mine.version)
    mended("audit_log", continued, rounds, "error")
    assert Registry(continued.root).alias() == "2"
    assert diagnoses("audit_log", continued) == []
