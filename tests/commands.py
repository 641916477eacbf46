"""Commands typed by tests."""

from collections.abc import Callable
from typing import NamedTuple


class CommandResult(NamedTuple):
    """The exit status and the output of a command."""

    code: object
    out: str
    err: str


Rounds = Callable[..., CommandResult]
"""`rounds …` with the words given."""
