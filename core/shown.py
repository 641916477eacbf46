"""What is shown: untrusted text with control characters as escapes and secrets of addresses as `***`; numbers.

One function per medium is built on this: `cli/display/console.py` (terminal, JSON), `tasks/pages/html.py`,
`tasks/pages/markdown.py`, `tasks/pages/plots.py` (labels), `noted` below (MLflow, Prefect, audit log) and
`core/process.py` (log records).
"""

import unicodedata
from collections.abc import Callable
from math import isfinite

from core.urls import without_secrets

HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories that a terminal acts on or hides: control, format (text direction), surrogates, line separators.
"""

MOST = 5000
"""Characters of a reason or a note. MLflow stores at most 5,000 of a description and 8,000 of a tag."""

ALLOWED = "\n\t\u200d"
"""Characters of these categories in ordinary text; the last one joins emoji."""


def shown(text: str) -> str:
    """The text for people: hidden characters as escapes, such as `\\x1b`, and secrets of addresses as `***`."""
    return escaped(without_secrets(text))


def escaped(text: str, escape: Callable[[str], str] | None = None) -> str:
    """The text with control characters as escapes, so that an answer cannot clear the screen or move the cursor.

    Args:
        text: any text.
        escape: the escape of one character; by default as Python writes it.
    """
    if text.isprintable():
        return text
    write = escape or _python
    return "".join(write(character) if is_hidden(character) else character for character in text)


def is_hidden(character: str) -> bool:
    """True if a terminal or a page acts on the character, or does not show it."""
    return unicodedata.category(character) in HIDDEN and character not in ALLOWED


def shortened(text: str, most: int) -> str:
    """The text, cut to `most` characters; a text that was cut ends with `…`."""
    return text if len(text) <= most else text[: most - 1] + "…"


def noted(text: str, most: int = MOST) -> str:
    """A text of a person as a note in a record, a log or a tag: as it is shown, and cut to `most` characters.

    Names and reasons are stored in this form. Databases reject some characters that people can type, and limit a tag.
    """
    return shortened(shown(text), most)


def significant(value: float) -> float:
    """A number for people: three significant digits. Whole numbers, and the digits before the point, keep theirs."""
    if not isfinite(value) or float(value).is_integer():
        return value
    return float(round(value)) if abs(value) >= 999.5 else float(f"{value:.3g}")


def number(value: float) -> str:
    """The same as text, without an exponent from 1000 on: `0.667`, `12.3`, `1,234,567`."""
    rounded = significant(value)
    return f"{rounded:,.0f}" if float(rounded).is_integer() else f"{rounded:.3g}"


def _python(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
