"""The one way to a terminal: untrusted text is not parsed as markup, and its control characters are escaped."""

import json
import sys
from collections.abc import Iterable, Mapping
from shlex import quote
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from core.shown import escaped, shown
from core.urls import without_secrets


def plain(text: str, style: str = "") -> Text:
    """Untrusted text with a style, for a part of a line."""
    return Text(shown(text), style=style)


class EscapingConsole(Console):
    """A console that escapes all strings: in lines, tables and trees, and in texts that somebody assembled."""

    def render_str(self, text: str, **options: Any) -> Text:
        """The string as it is printed."""
        return super().render_str(shown(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of any object; those that move the cursor are rich's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(escaped(segment.text), segment.style)


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


def print_json(value: Any, indent: int | None = 2, exact: bool = False) -> None:
    """Print JSON on standard output; see `as_json`."""
    sys.stdout.write(as_json(value, indent, exact) + "\n")


def print_exports(variables: Mapping[str, str]) -> None:
    """Print commands that set environment variables, for `eval` in a shell: exact, with passwords."""
    sys.stdout.write("".join(f"export {name}={quote(value)}\n" for name, value in variables.items()))


def as_json(value: Any, indent: int | None = 2, exact: bool = False) -> str:
    """JSON for standard output: characters that a terminal acts on are `\\u` escapes, and secrets of addresses `***`.

    If standard output is not UTF-8, all non-ASCII characters are escapes.

    Args:
        value: plain values.
        indent: see `json.dumps`.
        exact: for records of people, which another program reads: nothing is replaced.
    """
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(value if exact else _without_secrets(value), indent=indent, ensure_ascii=not unicode)
    return escaped(text, lambda character: json.dumps(character)[1:-1])


def _without_secrets(value: Any) -> Any:
    match value:
        case str():
            return without_secrets(value)
        case Mapping():
            return {key: _without_secrets(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_without_secrets(inner) for inner in value]
    return value
