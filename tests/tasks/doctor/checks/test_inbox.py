import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.tasks.doctor.cures import diagnoses, mended

RECORD = '{"prompt": "p", "chosen": "a", "rejected": "b"}\n'


def folder(path: Path) -> None:
    path.mkdir()
    (path / "a.jsonl").write_text(RECORD)


@pytest.mark.parametrize(
    ("name", "make", "severity"),
    [
        ("votes.jsonl", os.mkfifo, "error"),
        ("votes.jsonl", lambda path: path.symlink_to("nowhere"), "warning"),
        ("votes.jsonl", lambda path: path.symlink_to("good.jsonl"), "warning"),
        ("a folder", folder, "warning"),
        ("page.jsonl", lambda path: path.write_text("<html>no votes</html>"), "error"),
        ("votes.txt", lambda path: path.write_text(RECORD), "warning"),
    ],
)
def test_what_no_round_can_read(
    rounds: Rounds, workspace: Workspace, name: str, make: Callable[[Path], object], severity: str
) -> None:
    workspace.inbox.mkdir()
    (workspace.inbox / "good.jsonl").write_text(RECORD)
    workspace.taken.mkdir()
    assert diagnoses("inbox", workspace) == []
    make(workspace.inbox / name)
    mended("inbox", workspace, rounds, severity)
    assert diagnoses("inbox", workspace) == []


def test_a_name_that_is_not_utf_8(workspace: Workspace) -> None:
    workspace.inbox.mkdir()
    (workspace.inbox / os.fsdecode(b"votes\xff.jsonl")).write_text(RECORD)
    [diagnosis] = diagnoses("inbox", workspace)
    assert (diagnosis.severity.name, diagnosis.cure) == ("ERROR", None)
