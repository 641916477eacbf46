"""Markdown from templates that escape every value unless it is marked as safe: feedback is not to be trusted."""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_MARKS = re.compile(r"([\\`*_\[\]<>|~&]|:(?=//)|(?<=www)\.|(?<=\w)@)", re.IGNORECASE)
"""What makes structure inside of a line: emphasis, code, links (bare ones too), cells, HTML."""


class SafeMarkdown(str):
    """Text that is Markdown already."""


def escaped(value: object) -> object:
    """A value as it is put into a template: a text on one line, in which nothing is Markdown or HTML."""
    if isinstance(value, SafeMarkdown) or not isinstance(value, str):
        return value
    return _MARKS.sub(r"\\\1", " ".join(value.split()))


def render(template: Path, **values: Any) -> str:
    """A page from a template file."""
    surroundings = Environment(
        loader=FileSystemLoader(template.parent),
        undefined=StrictUndefined,
        finalize=escaped,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    surroundings.filters |= {"number": number, "percent": percent, "code": code}
    return surroundings.get_template(template.name).render(**values)


def number(value: float) -> SafeMarkdown:
    """Four digits, no exponent for what people count."""
    return SafeMarkdown(f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}")


def percent(share: float) -> SafeMarkdown:
    """A share as people read it: 61.2 %."""
    return SafeMarkdown(f"{100 * share:.1f} %")


def code(value: str) -> SafeMarkdown:
    """A name as code: a backtick in it would end it, a line break or a bar the line or cell."""
    plain = re.sub(r"[`|\s]+", " ", value)
    return SafeMarkdown(f"`{plain}`")
