"""Which of an annotator's tasks are gold items and repeats: a fixed share, at places that nobody else can compute."""

import hashlib
from functools import lru_cache
from typing import Literal

Role = Literal["ordinary", "gold", "repeat"]


def role(key: str, number: int, gold: float, repeats: float) -> Role:
    """What an annotator's next task is.

    One task in every 1/share is drawn, at a place that changes: 7 % gold is one in 14.

    Args:
        key: a secret, with the queue and the annotator.
        number: how many tasks the annotator had before.
        gold: share of gold items, 0 to 0.5.
        repeats: share of repeats, 0 to 0.5; where both are drawn, the task is a gold item.
    """
    if _is_drawn(f"{key}\0gold", number, gold):
        return "gold"
    return "repeat" if _is_drawn(f"{key}\0repeat", number, repeats) else "ordinary"


def _is_drawn(key: str, number: int, share: float) -> bool:
    if share <= 0:
        return False
    length = round(1 / share)
    block, place = divmod(number, length)
    return _place(key, block, length) == place


@lru_cache(4096)
def _place(key: str, block: int, length: int) -> int:
    """Which task of a block is drawn. All that are to come are counted for each page, many in one block."""
    return hashed(f"{key}\0{block}") % length


def hashed(text: str) -> int:
    """A number that looks random, the same for the same text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
