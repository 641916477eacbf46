"""HTML pages from templates that escape every value: the only way to a page."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from core.shown import shortened, shown

MOST = 20_000
"""Characters of one text; the rest of a longer one is left out, so that a page stays one that a browser can show."""


def render(template: Path, filters: Mapping[str, Callable[..., str]], **values: Any) -> str:
    """Render a page from a template file.

    Markup in a value becomes text, control characters and marks of text direction become escapes.
    """
    environment = _environment(template.parent, tuple(filters.items()))
    return environment.get_template(template.name).render(**values)


def without_tags(text: str) -> str:
    """The text for a page that another program writes: without the characters of markup, which it may not escape."""
    return shown(shortened(text, MOST)).translate({ord("<"): "‹", ord(">"): "›"})


@lru_cache
def _environment(folder: Path, filters: tuple[tuple[str, Callable[..., str]], ...]) -> Environment:
    """The templates of a folder: compiled once, and again if their files change."""
    environment = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, finalize=_visible
    )
    environment.filters |= dict(filters)
    return environment


def _visible(value: object) -> object:
    return shown(shortened(value, MOST)) if type(value) is str else value
