"""`rounds doctor`: look at everything, and print what is wrong, how bad it is, and the command that mends it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from cli.app import Folder, Json, Panel, app
from cli.display.console import console, print_json

if TYPE_CHECKING:
    from tasks.doctor.diagnosis import Diagnosis

STYLES = {"error": "bold red", "warning": "yellow", "note": "bold"}

STATUS = {"ok": 0, "note": 0, "warning": 1, "error": 2}
"""Severity of the worst diagnosis → exit status."""

INDENT = 9
"""Width of the column of severities."""


@app.command(rich_help_panel=Panel.ROUNDS)
def doctor(json: Json = False, folder: Folder = None) -> None:
    """Check workspace, tools and servers; print what is wrong, how bad it is, and the command that mends it.

    The exit status is 0 if nothing is worse than a note, 1 if there are warnings, 2 if there are errors.
    """
    from tasks.doctor import examine, worst
    from tasks.state.choosing import examined

    diagnoses, out = examine(examined(folder)), console()
    if json:
        print_json([diagnosis.to_json() for diagnosis in diagnoses])
    else:
        for diagnosis in diagnoses:
            _print(out, diagnosis)
        fine = ", ".join(diagnosis.check for diagnosis in diagnoses if diagnosis.severity == "ok")
        out.print(textwrap.fill(f"{'ok':<{INDENT}}{fine}", out.width, subsequent_indent=" " * INDENT), soft_wrap=True)
    raise typer.Exit(STATUS[worst(diagnoses)])


def _print(out: Console, diagnosis: Diagnosis) -> None:
    """One diagnosis: its text within the width of the terminal, the command on a line of its own."""
    if diagnosis.severity == "ok":
        return
    text = f"{diagnosis.severity:<{INDENT}}{diagnosis.check}: {diagnosis.text}"
    lines = textwrap.fill(text, min(out.width, 100), subsequent_indent=" " * INDENT, break_on_hyphens=False)
    out.print(lines, style=STYLES[diagnosis.severity], soft_wrap=True)
    if diagnosis.cure:
        out.print(f"{' ' * INDENT}cure: {diagnosis.cure}", soft_wrap=True)
