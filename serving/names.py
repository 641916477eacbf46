"""Names of people: one rule for the login, for `user` in a request, and for `user` in feedback.

A name is text in any script: it may have a no-break or an ideographic space (山田　太郎), and the joiners of Persian
and of Indian scripts (علی‌رضا). It has no control characters, none that change the direction of text, and no invisible
ones besides joiners, and it is not blank.
"""

import re
from typing import Annotated, TypeGuard

from pydantic import StringConstraints

LONGEST = 200
"""Characters of a name."""

_NEVER = r"\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
"""Control characters, marks of direction, line separators, and invisible characters."""
_BLANK = r" \u00a0\u1680\u2000-\u200a\u200c\u200d\u202f\u205f\u3000"
"""Spaces and joiners: a name has others too."""

# ranges in hex, so that Python, pydantic's engine and the clients of /openapi.json read the same
PATTERN = rf"^[^{_NEVER}]*[^{_NEVER}{_BLANK}][^{_NEVER}]*$"

A_NAME = f"1 to {LONGEST} visible characters, with spaces and joiners between them"
"""What is expected, for messages."""

Name = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=LONGEST, pattern=PATTERN)]
"""A name of a person."""

_pattern = re.compile(PATTERN)


def is_name(value: object, longest: int = LONGEST) -> TypeGuard[str]:
    """Whether a value is a name; a lone surrogate, which no database can hold, is in none."""
    if not isinstance(value, str) or len(value) > longest or any("\ud800" <= letter <= "\udfff" for letter in value):
        return False
    return _pattern.fullmatch(value) is not None
