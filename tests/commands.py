"""Commands typed by tests."""

from collections.abc import Callable
from typing import NamedTuple


class Said(NamedTuple):
    """What a command answered."""

    code: object
    out: str
    err: str


Rounds = Callable[..., Said]
"""`rounds …` with the words given."""
