from pathlib import Path

import pytest

from feedback import pairs
from feedback.schema import Message, Response
from feedback.sources import AnswerPair


def response(name: str, text: str) -> Response:
    return Response(response_id=name, messages=(Message(role="assistant", content=text),))


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x1e", "\x0b", "\r", "\n"])
def test_pairs_with_any_end_of_line_in_a_text_are_read_as_written(tmp_path: Path, character: str) -> None:
    answers = (response("a", f"{character}c"), response("b", f"d{character}"))
    pair = AnswerPair("1", (Message(role="user", content=f"a{character}b"),), answers)
    pairs.write(tmp_path / "pairs.jsonl", [pair, pair])
    assert pairs.read(tmp_path / "pairs.jsonl") == [pair, pair]
