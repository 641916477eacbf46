"""The commands as a whole: found by their files, listed by panel, printable on any console."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.__main__ import app
from cli.app import Panel
from cli.reference import commands
from tasks.history.lineage import KINDS
from tasks.state.workspace import PROJECT, Workspace
from tests.commands import Rounds

ROUNDS: Any = typer.main.get_command(app)
NO_COMMANDS = {"app", "reference"}
"""Modules of `cli/` that register none."""


def test_every_file_registers_a_command_of_its_name() -> None:
    files = {file.stem for file in (PROJECT / "cli").glob("*.py") if not file.stem.startswith("_")}
    assert files - NO_COMMANDS == {*ROUNDS.commands}


def test_commands_are_listed_by_panel_and_then_by_name() -> None:
    panels = [str(panel) for panel in Panel]
    names = [words[0] for words in commands() if len(words) == 1]
    listed = [(panels.index(ROUNDS.commands[name].rich_help_panel), name) for name in names]
    assert listed == sorted(listed)
    assert ["incident", "open"] in commands()


def arguments(command: Any) -> Iterator[Any]:
    """The positional arguments of a command or of the commands of a group."""
    yield from (parameter for parameter in command.params if parameter.param_type_name == "argument")
    for below in getattr(command, "commands", {}).values():
        yield from arguments(below)


def test_an_argument_has_a_noun_and_a_help_text() -> None:
    for argument in arguments(ROUNDS):
        assert argument.help, argument.name
        assert not {"ANYTHING", "SOMETHING", "ANY", "ARG"} & {argument.metavar or argument.name.upper()}


def test_lineage_names_every_kind_that_it_can_trace() -> None:
    [what] = arguments(ROUNDS.commands["lineage"])
    assert (what.metavar, [kind for kind in KINDS if kind not in what.help]) == ("WHAT", [])


@pytest.mark.parametrize("settings", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_a_console_that_is_not_utf8_gets_replaced_characters(workspace: Workspace, settings: dict[str, str]) -> None:
    for words in (["--help"], ["status", "-w", str(workspace.root)], ["status", "-w", "/nowhere/Grüße…"]):
        done = subprocess.run(
            [sys.executable, "-m", "cli", *words],
            cwd=PROJECT,
            env={**os.environ, "PYTHONCOERCECLOCALE": "0", **settings},
            capture_output=True,
        )
        assert b"UnicodeEncodeError" not in done.stderr
        assert done.returncode in (0, 2)
        assert (done.stdout + done.stderr).isascii()


def test_an_error_is_not_markup(rounds: Rounds, tmp_path: Path) -> None:
    result = rounds("status", "-w", tmp_path / "[red]\x1b[2J")
    assert (result.code, "[red]\\x1b[2J" in result.err) == (2, True)
