"""Who a workspace is: written once, and never another."""

import json
import threading
from pathlib import Path

import pytest

from core.errors import Damaged
from evaluation.verdict import Verdict
from tasks.state import identity
from tasks.state.choosing import at
from tasks.state.records import RoundRecord
from tasks.state.workspace import PROJECT, Workspace
from tests.tasks.state.recorded import record

SALT = "0f" * 8


def empty(root: Path) -> Workspace:
    root.mkdir()
    return Workspace(root)


def recorded(number: int) -> RoundRecord:
    return record(number, "1", Verdict(bootstrap=True))


def test_two_workspaces_have_two_ids_and_two_salts(tmp_path: Path) -> None:
    first, second = (identity.made(at(tmp_path / name)) for name in ("first", "second"))
    assert (first.name, second.name) == ("first", "second")
    assert first.id != second.id
    assert first.salt != second.salt
    assert len(first.salt) == 32


def test_what_is_written_stays(tmp_path: Path) -> None:
    workspace = empty(tmp_path / "w")
    first = identity.made(workspace, "team", SALT)
    assert (first.name, first.salt) == ("team", SALT)
    assert identity.made(workspace, "other", "00") == first == identity.read(workspace)


def test_eight_processes_at_once_get_one_identity(tmp_path: Path) -> None:
    workspace, ids = empty(tmp_path / "w"), []
    threads = [threading.Thread(target=lambda: ids.append(identity.made(workspace).id)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1
    assert [file.name for file in workspace.data.iterdir()] == ["workspace.json"]


def test_a_workspace_from_before_keeps_id_and_salt(tmp_path: Path) -> None:
    workspace = empty(tmp_path / "w")
    workspace.data.mkdir()
    workspace.old_identity.write_text("ab" * 16 + "\n")
    workspace.round.write_text(recorded(3).inputs.model_copy(update={"salt": SALT}).to_yaml())
    made = identity.made(workspace)
    assert (made.id, made.salt) == ("ab" * 16, SALT)


def test_a_damaged_round_yaml_does_not_change_the_salt(tmp_path: Path) -> None:
    workspace = empty(tmp_path / "w")
    finished = recorded(0)
    inputs = finished.inputs.model_copy(update={"salt": SALT})
    finished.model_copy(update={"inputs": inputs}).save(workspace.record(0))
    workspace.round.write_text("number: [")
    assert identity.made(workspace).salt == SALT


def test_the_project_itself_has_the_embedded_salt() -> None:
    assert identity.EMBEDDED_SALT == "18bfce4d668d1885"
    assert identity.known_salt(Workspace(PROJECT)) == identity.EMBEDDED_SALT


def test_an_identity_that_was_edited_is_named(tmp_path: Path) -> None:
    workspace = empty(tmp_path / "w")
    identity.made(workspace)
    workspace.identity.write_text(json.dumps({"id": "1", "name": "w", "salt": SALT}))
    with pytest.raises(Damaged, match=r"workspace\.json"):
        identity.read(workspace)
