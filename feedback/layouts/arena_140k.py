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
        turns = {conversation: _turns(record, conversation) for conversation, _, _ in SIDES.values()}
        answers = {
            conversation: {
                "messages": [*_earlier(exchanges, turns[conversation], side), *turns[conversation]],
                "model": record.get(model),
            }
            for conversation, model, side in SIDES.values()
        }
        native = kept(record, "winner", "full_conversation")
        return Form("comparison", None, answers, [one_of(record, "winner", WINNERS)], native)


def _turns(record: Record, conversation: str) -> list[Mapping[str, Any]]:
    turns = decoded(record[conversation])
    if not isinstance(turns, list) or not all(isinstance(turn, Mapping) for turn in turns):
        raise BadFeedback(f"{conversation} is {turns!r:.60}, expected a list of turns")
    return turns


def _earlier(exchanges: Sequence[Mapping[str, Any]], judged: Sequence[Mapping[str, Any]], side: str) -> list[Any]:
    """The turns before the judged ones, with the answers of one side."""
    questions = [turn.get("content") for turn in judged if turn.get("role") == "user"]
    count = len(exchanges) - len(questions)
    if any(exchange["model_side_a"] != exchange["model_side_b"] for exchange in exchanges[:count]):
        raise BadFeedback(
            "full_conversation: the sides gave different earlier answers, so that the last ones are to different "
            "prompts; expected equal turns before the judged ones"
        )
    if not questions or [_question(exchange) for exchange in exchanges[count:]] != questions:
        raise BadFeedback("full_conversation does not end with the judged turns, expected them after the earlier ones")
    return [turn for exchange in exchanges[:count] for turn in (exchange["user"], exchange[side])]


def _question(exchange: Mapping[str, Any]) -> object:
    """The content of the user's turn; the turn itself if it is none."""
    turn = exchange["user"]
    return turn.get("content") if isinstance(turn, Mapping) else turn
