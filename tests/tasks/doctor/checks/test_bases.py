from pathlib import Path

from tasks.rounds.fetching import fetch
from tasks.state import bases
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.tasks.doctor.cures import diagnoses, mended
from tests.tasks.rounds.bases import saved


def test_a_base_that_lost_a_file(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    record = fetch(workspace, str(saved(tmp_path / "model")), "mine")
    assert diagnoses("bases", workspace) == []
    (workspace.base(record.digest) / "tokenizer.json").unlink()
    found = mended("bases", workspace, rounds, "error")
    assert "tokenizer.json" in found.text
    assert fetch(workspace, str(tmp_path / "model")).digest == record.digest
    assert bases.fault(workspace, record) is None


def test_a_record_that_is_damaged(workspace: Workspace, tmp_path: Path) -> None:
    record = fetch(workspace, str(saved(tmp_path / "model")), "mine")
    workspace.base_record(record.digest).write_text("{")
    [found] = diagnoses("bases", workspace)
    assert (found.severity, record.digest in found.text) == ("error", True)
