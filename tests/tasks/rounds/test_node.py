"""A machine that helps finds the steps that wait for it."""

from pathlib import Path

import pytest

from core.files import write_text
from models import rendezvous
from tasks.rounds.node import calls, of_workers
from tasks.rounds.worker_step import PREFIX
from tasks.state.workspace import Workspace


def call(workspace: Workspace, step: str, nodes: int) -> str:
    folder = workspace.ranks(step)
    folder.mkdir(parents=True)
    arranged = rendezvous.arrange(nodes, 2, 10.0)
    arranged.save(folder)
    return arranged.id


def test_the_steps_that_wait_for_several_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(rendezvous.ADDRESS, "127.0.0.1:29400")
    workspace = Workspace(tmp_path)
    assert list(calls(workspace)) == []
    call(workspace, "sft", nodes=1)
    number = call(workspace, "policy", nodes=2)
    assert [(step, arranged.id) for step, arranged in calls(workspace)] == [("policy", number)]


def test_a_file_that_cannot_be_read_is_no_call(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.ranks("sft").mkdir(parents=True)
    write_text(workspace.ranks("sft") / rendezvous.FILE, "{")
    assert list(calls(workspace)) == []


def test_the_workspaces_of_the_steps_of_a_worker(tmp_path: Path) -> None:
    for name in (f"{PREFIX}b", f"{PREFIX}a", "other"):
        (tmp_path / name).mkdir()
    assert [workspace.root.name for workspace in of_workers(tmp_path)] == [f"{PREFIX}a", f"{PREFIX}b"]
