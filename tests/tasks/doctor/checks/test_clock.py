import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tasks.registry import audit
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.tasks.doctor.cures import diagnoses, mended


def test_a_file_from_the_future(rounds: Rounds, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.rounds.mkdir(parents=True)
    file = workspace.record(1)
    file.write_text("{}")
    os.utime(file, (time.time() + 3600,) * 2)
    mended("clock", workspace, rounds, "warning")


def test_a_clock_that_was_set_back(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    audit.append(workspace.audit, "promote", "ana")
    audit.append(workspace.audit, "promote", "ana")
    assert diagnoses("clock", workspace) == []
    first, second = workspace.audit.read_text().splitlines()
    year = str(datetime.now(UTC).year)
    workspace.audit.write_text("\n".join([first.replace(f'"{year}', f'"{int(year) + 1}', 1), second, ""]))
    assert [found.severity for found in diagnoses("clock", workspace)] == ["warning"]
    late = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    workspace.audit.write_text(first.replace(first.split('"at": "')[1].split('"')[0], late) + "\n")
    assert "future" in diagnoses("clock", workspace)[0].text
