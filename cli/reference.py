"""Generates docs/params.md, docs/metrics.md and docs/cli.md from the code. A test checks that they are current."""

from collections.abc import Iterator
from typing import Any

import typer

from cli.app import app
from tasks.state.workspace import PROJECT

PLAIN = {"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}
"""Environment of a terminal with 100 columns and no colours, so that the page is the same everywhere."""


def cli_page() -> str:
    """The help texts of all commands."""
    from typer.testing import CliRunner

    parts = ["# Command line\n\nWritten by `make docs`.\n"]
    for words in [[], *commands()]:
        command = ["rounds", *words, "--help"]
        shown = CliRunner(env=PLAIN).invoke(app, command[1:], prog_name="rounds").stdout
        text = "\n".join(line.rstrip() for line in shown.strip().splitlines())
        parts.append(f"## `{' '.join(command)}`\n\n```\n{text}\n```\n")
    return "\n".join(parts)


def commands() -> list[list[str]]:
    """Every command as a list of words, in the order of `rounds --help`; a group before its commands."""
    import cli.__main__  # noqa: F401, registers all of them

    return list(_below(typer.main.get_command(app), []))


def _below(command: Any, words: list[str]) -> Iterator[list[str]]:
    if words:
        yield words
    for name in command.list_commands(None) if hasattr(command, "commands") else ():
        yield from _below(command.commands[name], [*words, name])


if __name__ == "__main__":
    from cli.display.knobs import params_page
    from cli.display.metrics import metrics_page

    (PROJECT / "docs" / "params.md").write_text(params_page(), encoding="utf-8")
    (PROJECT / "docs" / "metrics.md").write_text(metrics_page(), encoding="utf-8")
    (PROJECT / "docs" / "cli.md").write_text(cli_page(), encoding="utf-8")
