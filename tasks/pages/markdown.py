"""Markdown from templates that escape every value unless it is marked as safe, since feedback is untrusted input."""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from core.shown import number as shown_number
from core.shown import shortened, shown

_MARKS = re.compile(
    r"([\\`*_\[\]<>|~&$]|:(?=//)|(?<=www)\.|(?<=\w)@|^[#+=\-]|(?<=^\d)[.)]|(?<=\d)[.)](?=\s|$))", re.IGNORECASE
)
"""Characters with a meaning in Markdown: emphasis, code, links (bare ones too), images, table cells, HTML, formulas;
and those that begin a heading or a list."""

MOST = 1000
"""Characters of one text: a cell of a table with more cannot be read, and the reports have all of it."""


class SafeMarkdown(str):
    """Text that is already Markdown and is not escaped."""


def escaped(value: object) -> object:
    """Escape a value for a template: a text becomes one line without Markdown or HTML; other types are unchanged."""
    if isinstance(value, SafeMarkdown) or not isinstance(value, str):
        return value
    return _MARKS.sub(r"\\\1", _line(value))


def render(template: Path, **values: Any) -> str:
    """Render a page from a template file."""
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        undefined=StrictUndefined,
        finalize=escaped,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": number, "percent": percent, "code": code}
    return environment.get_template(template.name).render(**values)


def number(value: float) -> SafeMarkdown:
    """A number with three significant digits; whole numbers with all of theirs."""
    return SafeMarkdown(shown_number(value))


def percent(share: float) -> SafeMarkdown:
    """A share as a percentage: 61.2 %."""
    return SafeMarkdown(f"{100 * share:.1f} %")


def code(value: str) -> SafeMarkdown:
    """A name as inline code; backticks, bars and line breaks in it become spaces."""
    plain = re.sub(r"[`|\s]+", " ", _line(value))
    return SafeMarkdown(f"`{plain}`")


def _line(text: str) -> str:
    return shown(" ".join(shortened(text, MOST).split()))
