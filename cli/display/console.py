"""A console for untrusted text: it is not parsed as markup, and control characters are printed as escapes."""

import json
import sys
import unicodedata
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

HIDDEN = {"Cc", "Cf", "Zl", "Zp"}
"""Unicode categories that a terminal acts on or hides: control, format (text direction), line separators."""

ALLOWED = "\n\t\u200d"
"""Characters of these categories in ordinary text; the last one joins emoji."""


def escaped(text: str) -> str:
    """The text with control characters as escapes, so that an answer cannot clear the screen or forge a line."""
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character in ALLOWED or unicodedata.category(character) not in HIDDEN:
        return character
    return character.encode("unicode_escape").decode("ascii")


def plain(text: str, style: str = "") -> Text:
    """Untrusted text with a style, for a part of a line."""
    return Text(escaped(text), style=style)


class EscapingConsole(Console):
    """A console that escapes all strings: in lines, tables and trees."""

    def render_str(self, text: str, **options: Any) -> Text:
        """The string as it is printed."""
        return super().render_str(escaped(text), **options)


def console(**options: Any) -> Console:
    """The console of a command; takes the options of `rich.console.Console`."""
    return EscapingConsole(markup=False, emoji=False, highlight=False, **options)


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 file`, `2 files`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def grid(*columns: str) -> Table:
    """A table without borders: bold headings, two spaces between columns."""
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column)
    return table


def as_json(value: Any, indent: int | None = 2) -> str:
    """JSON for standard output; if that is not UTF-8, non-ASCII characters are escaped."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json.dumps(value, indent=indent, ensure_ascii=not unicode)
