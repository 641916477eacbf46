"""How many tokens this process has sampled and trained on so far; both only grow, as the time of a processor does."""

from dataclasses import dataclass
from typing import NamedTuple


class TokensUsed(NamedTuple):
    """Numbers of tokens."""

    sampled: int
    """Tokens of answers, the token that ends an answer included."""
    trained: int
    """Tokens of prompts and answers that a gradient was computed of, once per gradient step, without padding."""


@dataclass
class _Counts:
    sampled: int = 0
    trained: int = 0


_COUNTS = _Counts()


def so_far() -> TokensUsed:
    """The tokens since the process started; take the difference of two calls."""
    return TokensUsed(_COUNTS.sampled, _COUNTS.trained)


def count_sampled(tokens: int) -> None:
    """Add tokens of answers."""
    _COUNTS.sampled += tokens


def count_trained(tokens: int) -> None:
    """Add tokens of a gradient step."""
    _COUNTS.trained += tokens
