"""A console for text from outside: nothing in it is markup, and its control characters are shown, not obeyed."""

import json
import sys
import unicodedata
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

HIDDEN = {"Cc", "Cf", "Zl", "Zp"}
"""Unicode categories that a terminal obeys or hides: control, format (text direction), separators of lines."""

KEPT = "\n\t\u200d"
"""Of these, what ordinary text contains; the last one joins emoji."""


def escaped(text: str) -> str:
    """Text whose control characters are written as escapes: an answer cannot clear the screen or forge a line."""
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character in KEPT or unicodedata.category(character) not in HIDDEN:
        return character
    return character.encode("unicode_escape").decode("ascii")


def plain(text: str, style: str = "") -> Text:
    """Text from outside, for places where a style is given to a part of a line."""
    return Text(escaped(text), style=style)


class Plain(Console):
    """A console whose strings are text from outside, wherever they are: in lines, tables or trees."""

    def render_str(self, text: str, **options: Any) -> Text:
        """A string as it will be printed."""
        return super().render_str(escaped(text), **options)


def console(**options: Any) -> Console:
    """The console of a command, with options of `rich.console.Console`."""
    return Plain(markup=False, emoji=False, highlight=False, **options)


def grid(*columns: str) -> Table:
    """A table without lines: bold headings, two spaces between columns."""
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column)
    return table


def as_json(value: Any, indent: int | None = 2) -> str:
    """JSON for standard output; where that is not UTF-8, other characters are escaped and none is lost."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json.dumps(value, indent=indent, ensure_ascii=not unicode)
