"""The files in the inbox: which are read, and in which order."""

import os
from pathlib import Path

from tasks.state import handing_in, inbox, intake
from tasks.state.workspace import Workspace
from tests.tasks.state.handed_in import BAD, GOOD, lines, preference


def test_files_wait_in_the_order_in_which_they_were_handed_in(tmp_path: Path) -> None:
    files = [lines(tmp_path / f"{number}.jsonl", preference(number, "text")) for number in range(30)]
    workspace = Workspace(tmp_path / "workspace")
    handing_in.hand_in(workspace, files)
    assert [file.read_bytes() for file in inbox.files(workspace)] == [file.read_bytes() for file in files]


def test_what_a_killed_import_left_is_removed_and_not_counted(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    file = lines(tmp_path / "votes.jsonl", GOOD)
    handing_in.hand_in(workspace, [file])
    left = lines(workspace.inbox / ".import.abcdefgh.draft" / "half.jsonl", GOOD | {"prompt": "Is it far?"})
    assert intake.new_records(workspace) == 1
    handing_in.hand_in(workspace, [file])
    assert not left.parent.exists()
    assert [path.name for path in workspace.inbox.iterdir()] == [path.name for path in inbox.files(workspace)]


def test_a_file_whose_name_is_not_utf_8_is_listed_and_blocks_no_other(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    named = lines(workspace.inbox / os.fsdecode(b"votes\xff.jsonl"), BAD)
    good = lines(workspace.inbox / "good.jsonl", GOOD)
    assert (inbox.files(workspace), inbox.unread(workspace)) == ([good], [named])
    assert len(intake.inbox_events(workspace)) == 1
