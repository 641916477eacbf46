"""Untrusted text is printed without markup, and no control character reaches the terminal."""

import io
import json
import sys

import pytest
from rich.text import Text
from rich.tree import Tree

from cli.display.console import as_json, console, grid, plain
from core.shown import escaped

HOSTILE = "[bold]x[/bold] [/nothing] :smile: \x1b[2J\x07\u202e"
SHOWN = "[bold]x[/bold] [/nothing] :smile: \\x1b[2J\\x07\\u202e"


def printed(*objects: object) -> str:
    file = io.StringIO()
    console(file=file, width=200).print(*objects)
    return file.getvalue()


def test_control_characters_are_escaped_and_ordinary_text_is_unchanged() -> None:
    assert escaped(HOSTILE) == SHOWN
    assert escaped("Grüße,\n\t日本語 🙂") == "Grüße,\n\t日本語 🙂"


def test_strings_in_lines_tables_and_trees_are_plain() -> None:
    table, tree = grid("heading"), Tree(HOSTILE)
    table.add_row(HOSTILE)
    tree.add(HOSTILE)
    for text in (HOSTILE, table, tree, plain(HOSTILE, "bold"), Text.assemble(("name ", "bold"), plain(HOSTILE))):
        assert SHOWN in printed(text)
        assert "\x1b" not in printed(text)


@pytest.mark.parametrize(("encoding", "text"), [("utf-8", '"ü"'), ("ascii", '"\\u00fc"'), ("latin-1", '"\\u00fc"')])
def test_json_loses_no_character(monkeypatch: pytest.MonkeyPatch, encoding: str, text: str) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert as_json("ü") == text
    assert json.loads(as_json("ü")) == "ü"
