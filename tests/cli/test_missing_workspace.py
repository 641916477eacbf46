"""Only `rounds init`, `round` and `restore` make a workspace; every other command refuses one that is not there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from mlflow import MlflowClient

from cli.__main__ import app
from core.errors import BadWorkspace
from tests.commands import Rounds

MAKE_ONE = {"init", "round", "restore"}
"""`restore` makes the workspace of a backup again."""
NEED_NONE = {"audit keygen", "feedback inspect"}
NEED_RECORDS = {"replay", "lineage", "evidence", "diff"}
"""With `MLFLOW_TRACKING_URI` they need no workspace: the records are there."""

VALUES = {
    "name": "verdict",
    "annotator": "ana",
    "into": "FOLDER/new",
    "files": "FILE",
    "file": "FILE",
    "lift": "",
    "time": "2h",
    "role": "client",
}
"""Parameter → a value, where `1` is none."""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its words, groups unfolded."""
    pending: list[tuple[str, Any]] = [("", typer.main.get_command(app))]
    while pending:
        name, command = pending.pop()
        inner = getattr(command, "commands", None)
        if inner is None:
            yield name, command
        else:
            pending += [(f"{name} {each}".strip(), inner[each]) for each in inner]


COMMANDS = dict(sorted(commands()))


def typed(name: str, folder: Path) -> list[str]:
    """The words of a command with everything that it requires."""
    words = name.split()
    for parameter in COMMANDS[name].params:
        if parameter.required:
            value = VALUES.get(parameter.name, "1").replace("FOLDER", str(folder))
            value = value.replace("FILE", str(folder / "votes.jsonl"))
            words += [value] if parameter.param_type_name == "argument" else [parameter.opts[0], value]
    return words


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file of feedback."""
    (tmp_path / "votes.jsonl").write_text('{"prompt": "p", "chosen": "a", "rejected": "b"}\n')
    return tmp_path


def test_the_lists_name_commands() -> None:
    assert COMMANDS.keys() >= MAKE_ONE | NEED_NONE | NEED_RECORDS


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - MAKE_ONE - NEED_NONE))
def test_a_workspace_that_is_not_there_is_refused_and_not_made(rounds: Rounds, folder: Path, name: str) -> None:
    missing = folder / "typo"
    result = rounds(*typed(name, folder), "-w", missing)
    assert (result.code, f"`rounds init {missing}`" in result.err) == (2, True), result
    assert sorted(path.name for path in folder.iterdir()) == ["votes.jsonl"]


@pytest.mark.parametrize("name", sorted(NEED_RECORDS))
def test_commands_that_read_records_need_none_where_a_server_has_them(
    rounds: Rounds, folder: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{empty_store}")
    result = rounds(*typed(name, folder), "-w", folder / "typo")
    assert (result.code, result.err.partition(":")[0]) == (2, "NotFound"), result
    assert sorted(path.name for path in folder.iterdir()) == ["votes.jsonl"]
    assert MlflowClient(f"sqlite:///{empty_store}").get_experiment_by_name("rounds") is None


def test_looking_at_a_file_needs_no_workspace(rounds: Rounds, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDS_WORKSPACE", str(folder / "typo"))
    assert rounds("feedback", "inspect", folder / "votes.jsonl").code == 0
    assert not (folder / "typo").exists()


@pytest.mark.usefixtures("prefect")
def test_deployments_refuse_one_too(folder: Path) -> None:
    from flows.rollback import rollback
    from flows.watch import watch

    missing = str(folder / "typo")
    with pytest.raises(BadWorkspace):
        rollback(reason="rude", workspace=missing)
    with pytest.raises(BadWorkspace):
        watch(workspace=missing)
    assert not (folder / "typo").exists()
