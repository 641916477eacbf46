"""Addresses with passwords that do not answer: the password is neither printed nor stored."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.state.workspace import PROJECT, Workspace
from tests.commands import Rounds
from tests.profile import HOLD, TINY

SECRET = "S3cretpassw0rd"
NOBODY = f"ana:{SECRET}@127.0.0.1:9"
"""A port at which nothing listens."""
ERRORS = ("NoTracking", "NoDatabase", "BadParams", "NotInstalled")
"""The last one where the extra `postgres` is not installed."""


def containing(workspace: Workspace, *without: str) -> list[str]:
    """The files of the workspace that hold the secret."""
    files = (file for file in workspace.root.rglob("*") if file.is_file())
    found = (workspace.name(file) for file in files if SECRET.encode() in file.read_bytes())
    return [name for name in found if name not in without]


@pytest.mark.parametrize(
    ("name", "address", "command"),
    [
        ("MLFLOW_TRACKING_URI", f"http://{NOBODY}", ("status",)),
        ("MLFLOW_TRACKING_URI", f"http://{NOBODY}", ("rollback", "--reason", "x")),
        ("MLFLOW_TRACKING_URI", f"http://127.0.0.1:9/?token={SECRET}", ("lineage", "policy@champion")),
        ("MLFLOW_TRACKING_URI", f"nonsense://{NOBODY}/mlflow", ("status",)),
        ("ROUNDS_FEEDBACK_DATABASE", f"postgresql://{NOBODY}/feedback", ("plan",)),
        ("ROUNDS_FEEDBACK_DATABASE", f"postgresql://ana:{SECRET}@127.0.0.1:port/feedback", ("plan",)),
        ("ROUNDS_FEEDBACK_DATABASE", f"mysql://{NOBODY}/feedback", ("plan",)),
    ],
)
def test_a_store_that_does_not_answer(
    continued: Workspace,
    rounds: Rounds,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    address: str,
    command: tuple[str, ...],
) -> None:
    monkeypatch.setenv(name, address)
    result = rounds(*command, "-w", continued.root)
    assert result.code == 2
    assert result.err.split(":")[0] in ERRORS, result.err
    assert SECRET not in result.out + result.err
    assert containing(continued) == []


def test_a_remote_that_does_not_answer(continued: Workspace, rounds: Rounds) -> None:
    config = continued.root / ".dvc/config"
    config.write_text(config.read_text() + f"['remote \"far\"']\n    url = http://{NOBODY}/data\n")
    knobs = [word for knob in (*TINY, HOLD, "versioning.remote=far") for word in ("-S", knob)]
    result = rounds("round", "--new", "-w", continued.root, *knobs)
    assert result.code == 2
    assert "versioning.remote: the DVC remote 'far' (http://127.0.0.1:9/data)" in result.err
    assert SECRET not in result.out + result.err
    assert containing(continued, ".dvc/config") == []


def test_a_prefect_server_that_does_not_answer(continued: Workspace) -> None:
    knobs = [word for knob in (*TINY, HOLD) for word in ("-S", knob)]
    command = [sys.executable, "-m", "cli", "round", "--new", "-w", str(continued.root), *knobs]
    environment = {**os.environ, "PREFECT_API_URL": f"http://{NOBODY}/api", "PREFECT_API_KEY": SECRET}
    ended = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stderr
    assert SECRET not in ended.stdout + ended.stderr
    assert containing(continued) == []


def test_a_reason_with_an_address_is_stored_without_its_password(continued: Workspace, rounds: Rounds) -> None:
    reason = f"see https://{NOBODY}/incident?sig={SECRET}\x1b[2J " + "long " * 40_000
    assert rounds("rollback", "--reason", reason[:120_000], "-w", continued.root).code == 0
    [line] = [entry for entry in audit.read(continued.audit) if entry.event == "rollback"]
    assert line.facts["reason"].startswith("see https://ana:***@127.0.0.1:9/incident?sig=***")
    assert len(line.facts["reason"]) == 5000
    assert Registry(continued.root).version("2").tags["rolled_back"] == line.facts["reason"]
    assert containing(continued) == []


def test_nobody_else_may_read_what_people_wrote(finished: Workspace) -> None:
    """Every file of a workspace after whole rounds, as another user finds them from its folder on."""
    readable = [file for file in finished.root.rglob("*") if file.is_file() and _open(file, finished.root)]
    harmless = {"dvc.yaml", "params.yaml", ".dvcignore", "dvc.lock", ".dvc/config"}
    assert {finished.name(file) for file in readable} <= harmless


def _open(file: Path, root: Path) -> bool:
    """True if the modes of the file and of the folders around it, up to the workspace, let others read it."""
    folders = [folder for folder in file.parents if folder != root and folder.is_relative_to(root)]
    return bool(file.stat().st_mode & 0o044) and all(folder.stat().st_mode & 0o011 for folder in folders)
