import shutil
from pathlib import Path

from tasks.registry import audit
from tasks.state.workspace import Workspace
from tests.tasks.doctor.cures import diagnoses


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
