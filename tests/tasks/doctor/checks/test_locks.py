import json
import os

from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.tasks.doctor.cures import diagnoses, mended


def test_a_lock_that_is_held_names_its_holder(workspace: Workspace) -> None:
    with holding(workspace.lock, "round 7"):
        [found] = diagnoses("locks", workspace)
        assert (found.severity, f"round 7 (process {os.getpid()})" in found.text) == ("note", True)
        os.utime(workspace.lock, (0, 0))
        assert diagnoses("locks", workspace)[0].severity == "warning"
    assert diagnoses("locks", workspace) == []


def test_locks_of_dvc_that_a_dead_process_left(rounds: Rounds, workspace: Workspace) -> None:
    locks = workspace.root / ".dvc/tmp/rwlock"
    locks.parent.mkdir(parents=True)
    locks.write_text(json.dumps({"read": {}, "write": {"data": {"pid": 2**22 + 1, "cmd": "dvc"}}}))
    mended("locks", workspace, rounds, "note")
    locks.write_text('{"read": ')
    mended("locks", workspace, rounds, "note")
    assert diagnoses("locks", workspace) == []
