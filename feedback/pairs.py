"""Files of answer pairs that are to be judged, as JSON lines."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from core.files import digest, write_text
from feedback.sources import AnswerPair

_PAIR = TypeAdapter(AnswerPair)

COLLECTED = "round-"
"""The ids of the pairs that a round collected begin with it."""


def write(path: Path, pairs: Sequence[AnswerPair]) -> None:
    """Write pairs to a file, atomically."""
    write_text(path, "".join(_PAIR.dump_json(pair).decode() + "\n" for pair in pairs))


def read(path: Path) -> list[AnswerPair]:
    """Read pairs from a file."""
    return [_PAIR.validate_json(line) for line in path.read_bytes().splitlines()]  # a str also ends lines at U+2028


def pairs_id(path: Path) -> str:
    """The id of the pairs in a file: 16 hex digits of its digest. Equal prompts, answers and sides give equal ids."""
    return digest(path)[:16]
