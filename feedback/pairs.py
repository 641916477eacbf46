"""Pairs that wait for a judgement, as JSON lines: what is handed to annotators and read back."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from core.files import digest, write_text
from feedback.sources import AnswerPair

_PAIR = TypeAdapter(AnswerPair)


def write(path: Path, pairs: Sequence[AnswerPair]) -> None:
    """Write pairs to a file, whole."""
    write_text(path, "".join(_PAIR.dump_json(pair).decode() + "\n" for pair in pairs))


def read(path: Path) -> list[AnswerPair]:
    """Read pairs from a file."""
    return [_PAIR.validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]


def name(path: Path) -> str:
    """The name of a set of pairs, 16 hex digits: the same round, prompts, answers and sides have the same name."""
    return digest(path)[:16]
