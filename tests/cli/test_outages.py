"""A read-only disk, a full one, a locked database, odd files in the inbox, and four people with one file."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.files import digest
from tasks.state import inbox
from tasks.state.workspace import PROJECT, Workspace
from tasks.tools.tracking import connection
from tests.cli.several import read_only
from tests.commands import Rounds

RECORD = '{"prompt": "Where is my lamp?", "chosen": "On Monday.", "rejected": "Gone."}\n'

READING = (
    *(("status",), ("plan",), ("lineage", "policy@champion"), ("show", "1"), ("cooldown",), ("audit", "verify")),
    *(("diff", "0", "1"), ("params",), ("feedback", "stats"), ("feedback", "show", "--last", "1"), ("gc",)),
    ("incident", "list"),
)
WRITING = (("rollback", "--reason", "rude"), ("incident", "open", "--what", "rude"))


def typed_in_one_process(root: Path, *commands: tuple[str, ...]) -> list[tuple[int, str, str]]:
    """Exit status, output and errors of commands in a workspace that is read-only."""
    lines = "".join(json.dumps([*words, "-w", str(root)]) + "\n" for words in commands)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.cli.several", str(root)],
        input=lines,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(code, out, errors) for code, out, errors in map(json.loads, done.stdout.splitlines())]


def can_mount() -> bool:
    """Whether this user may mount a folder read-only."""
    pid = os.fork()
    if pid == 0:
        try:
            read_only("/dev/shm" if Path("/dev/shm").is_dir() else "/tmp")
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_workspace_on_a_read_only_disk_can_be_looked_at(continued: Workspace, tmp_path: Path) -> None:
    if not can_mount():
        pytest.skip("only root can mount a folder read-only")
    (continued.inbox).mkdir(exist_ok=True)
    (continued.inbox / "0123456789abcdef.jsonl").write_text(RECORD)
    shutil.rmtree(continued.root / ".dvc/tmp", ignore_errors=True)
    before = digest(continued.root)
    writing = (*WRITING, ("backup", str(tmp_path / "saved")))
    results = typed_in_one_process(continued.root, *READING, *writing)
    for words, (code, _, errors) in zip(READING, results, strict=False):
        assert (code, errors) == (0, ""), words
    for words, (code, _, errors) in zip(writing, results[len(READING) :], strict=True):
        assert (code, errors.partition(":")[0], "Traceback" in errors) == (2, "Unwritable", False), words
    assert digest(continued.root) == before


def test_looking_at_a_workspace_writes_nothing(rounds: Rounds, tmp_path: Path) -> None:
    root = tmp_path / "new"
    rounds("init", root)
    before = digest(root)
    for words in (("status",), ("lineage", "x"), ("cooldown",), ("show",), ("audit", "verify"), ("incident", "list")):
        assert "Traceback" not in rounds(*words, "-w", root).err
    assert (digest(root), (root / "mlflow.db").exists()) == (before, False)


def test_a_locked_database_is_one_sentence_after_the_wait(
    rounds: Rounds, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LOCKED", 0.2)
    with closing(sqlite3.connect(workspace.database)) as other:
        other.execute("BEGIN EXCLUSIVE")
        failed = rounds("status", "-w", workspace.root)
        assert (failed.code, failed.err.count("\n")) == (2, 1)
        assert "database is locked" in failed.err
        other.rollback()
    assert rounds("status", "-w", workspace.root).code == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_one_sentence_and_nothing_is_half_taken_in(
    rounds: Rounds, small_disk: Path, tmp_path: Path
) -> None:
    root = small_disk / "w"
    rounds("init", root)
    votes = tmp_path / "votes.jsonl"
    votes.write_text("".join(RECORD.replace("lamp", f"lamp {number}") for number in range(3000)))
    failed = rounds("feedback", "import", votes, "-w", root)
    assert (failed.code, failed.err.partition(":")[0]) == (2, "Unwritable")
    assert ("No space left" in failed.err, "Traceback" in failed.err) == (True, False)
    assert str(root / "data") in failed.err
    assert inbox.files(Workspace(root)) == []
    votes.write_text(RECORD)
    assert rounds("feedback", "import", votes, "-w", root).code == 0


def test_what_is_no_file_in_the_inbox_is_named_and_left_alone(rounds: Rounds, continued: Workspace) -> None:
    folder = continued.inbox
    folder.mkdir(exist_ok=True)
    os.mkfifo(folder / "pipe.jsonl")
    (folder / "link.jsonl").symlink_to(folder / "nowhere")
    (folder / "folder.arrow").mkdir()
    (folder / "votes.jsonl").write_text(RECORD)
    where = ("-w", continued.root)
    shown = rounds("status", *where).out
    assert [name in shown for name in ("pipe.jsonl", "link.jsonl", "folder.arrow", "votes.jsonl")] == [True] * 3 + [
        False
    ]
    assert json.loads(rounds("plan", "--json", *where).out)["reads"]["inbox"] == "1 new records in 1 files"
    assert rounds("feedback", "stats", *where).code == 0
    assert rounds("feedback", "forget", "--annotator", "ana", *where).code == 0
    for name, reason in (("pipe.jsonl", "a pipe"), ("link.jsonl", "leads nowhere"), ("nowhere.jsonl", "no such file")):
        refused = rounds("feedback", "import", folder / name, *where)
        assert (refused.code, reason in refused.err) == (2, True)


def test_one_file_that_four_people_hand_in_at_once_is_taken_in_once(workspace: Workspace, tmp_path: Path) -> None:
    votes = tmp_path / "votes.jsonl"
    votes.write_text("".join(RECORD.replace("lamp", f"lamp {number}") for number in range(500)))
    program = (
        "import sys; from pathlib import Path\n"
        "from tasks.state import handing_in, intake; from tasks.state.workspace import Workspace\n"
        "root, file = map(Path, sys.argv[1:]); print('ready', flush=True); sys.stdin.readline()\n"
        "workspace = Workspace(root)\n"
        "print(handing_in.hand_in(workspace, [file]).new, intake.new_records(workspace))"
    )
    command = [sys.executable, "-c", program, str(workspace.root), str(votes)]
    people = [
        subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for person in people:
        assert person.stdout is not None
        assert person.stdout.readline() == "ready\n"
    answers = [""] * 4
    for person in people:
        assert person.stdin is not None
        person.stdin.write("go\n")
        person.stdin.flush()
    for number, person in enumerate(people):
        answers[number] = person.communicate()[0]
        assert person.returncode == 0
    assert sorted(answers) == ["0 500\n"] * 3 + ["500 500\n"]
    assert len(inbox.files(workspace)) == 1
