"""Votes of the Arena in the release with 140,000 votes, whose earlier turns are only in `full_conversation`."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import BadFeedback
from feedback.layouts import Form, Layout, Record, decoded, kept, one_of, parts
from feedback.layouts.arena import WINNERS

SIDES = {"a": ("conversation_a", "model_a", "model_side_a"), "b": ("conversation_b", "model_b", "model_side_b")}


class Arena140k(Layout):
    """`winner` is `model_a`, `model_b`, `tie` or `both_bad`. Contents are lists of parts.

    `conversation_a` and `conversation_b` hold only what was voted on; the turns before it are read from
    `full_conversation`. If the two sides gave different earlier answers, the record is refused: its last answers are
    to different prompts.
    """

    columns = frozenset({"conversation_a", "conversation_b", "winner", "full_conversation"})

    def matches(self, record: Record) -> bool:
        """Each exchange of the full conversation has a turn of the user and one of each side."""
        return bool(parts(record, "full_conversation", "user", "model_side_a", "model_side_b"))

    def read(self, record: Record) -> Form:
        """The conversations in their order, each below its earlier turns."""
        exchanges = parts(record, "full_conversation")
        answers = {
            conversation: {
                "messages": [*_earlier(exchanges, decoded(record[conversation]), side), *decoded(record[conversation])],
                "model": record.get(model),
            }
            for conversation, model, side in SIDES.values()
        }
        native = kept(record, "winner", "full_conversation")
        return Form("comparison", None, answers, [one_of(record, "winner", WINNERS)], native)


def _earlier(exchanges: Sequence[Mapping[str, Any]], judged: object, side: str) -> list[Any]:
    """The turns before the judged ones, with the answers of one side."""
    turns = judged if isinstance(judged, list) else []
    questions = [turn["content"] for turn in turns if turn.get("role") == "user"]
    count = len(exchanges) - len(questions)
    if any(exchange["model_side_a"] != exchange["model_side_b"] for exchange in exchanges[:count]):
        raise BadFeedback(
            "full_conversation: the sides gave different earlier answers, so that the last ones are to different "
            "prompts; expected equal turns before the judged ones"
        )
    if not questions or [exchange["user"]["content"] for exchange in exchanges[count:]] != questions:
        raise BadFeedback("full_conversation does not end with the judged turns, expected them after the earlier ones")
    return [turn for exchange in exchanges[:count] for turn in (exchange["user"], exchange[side])]
