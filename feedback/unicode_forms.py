"""Texts in the two forms in which they are compared: `normalise` for identity, `compatible` for near-duplicates.

Python's normalisation takes time that grows with the square of the length of a run of combining marks: 17 s for 200 kB.
Both forms interrupt such runs as Unicode prescribes (Stream-Safe Text Format, UAX #15), so that time is linear.
"""

import re
import unicodedata
from functools import cache
from typing import Literal

LONGEST_RUN = 30
"""Combining marks in a row after which the Stream-Safe Text Format inserts U+034F; no language needs as many."""

_JOINER = "\u034f"  # COMBINING GRAPHEME JOINER: not a combining mark for normalisation, and invisible
_PLANES = range(0x300, 0x20000)  # all combining marks are in the first two planes


def normalise(text: str) -> str:
    """The form for identity: NFC, case-folded, with single spaces. "2²?" and "22?" stay different."""
    return _folded("NFC", text)


def compatible(text: str) -> str:
    """The form for near-duplicates: NFKC, case-folded, with single spaces. "2²?" becomes "22?", and "ﬁ" "fi"."""
    return _folded("NFKC", text)


def same_text(first: str, second: str) -> bool:
    """Whether two texts are equal up to case, white space and canonical Unicode form."""
    if first.isascii() and second.isascii() and _first_word(first) != _first_word(second):
        return False  # most texts differ here, and normalising them takes long
    return normalise(first) == normalise(second)


def stream_safe(text: str) -> str:
    """The text with a joiner after every 30 combining marks in a row; nearly every text is returned as it is."""
    return text if text.isascii() else _long_runs().sub(rf"\g<0>{_JOINER}", text)


def _folded(form: Literal["NFC", "NFKC"], text: str) -> str:
    if text.isascii():
        return " ".join(text.split()).lower()  # the same as below, in a fraction of the time
    return " ".join(unicodedata.normalize(form, stream_safe(text)).split()).casefold()


@cache
def _long_runs() -> "re.Pattern[str]":
    """A run of combining marks that is followed by another one; decomposed characters that begin with one count."""
    marks = "".join(filter(_is_mark, map(chr, _PLANES)))
    return re.compile(f"[{marks}]{{{LONGEST_RUN}}}(?=[{marks}])")


def _is_mark(character: str) -> bool:
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) != 0


def _first_word(text: str) -> list[str]:
    return text.lower().split(maxsplit=1)[:1]
