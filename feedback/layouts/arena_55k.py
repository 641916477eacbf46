"""Votes of the Chatbot Arena in three columns: the release with 55,000 votes."""

from collections.abc import Mapping

from core.errors import BadFeedback
from feedback.layouts import FIRST, SECOND, TIE, Form, Layout, Published, Record, decoded, kept, number

_WINNERS: Mapping[str, Mapping[str, object]] = {
    "winner_model_a": FIRST,
    "winner_model_b": SECOND,
    "winner_tie": TIE,
}


class Arena55k(Layout):
    """One of the three columns is 1. Prompts and responses are lists of texts, one per turn, written as JSON."""

    columns = frozenset({"prompt", "response_a", "response_b", *_WINNERS})
    published = Published("the Chatbot Arena votes of the Kaggle competition", "Apache-2.0")

    def read(self, record: Record) -> Form:
        """The conversations in their order."""
        questions = _texts(record, "prompt")
        answers = {
            name: {"messages": _conversation(questions, _texts(record, name)), "model": record.get(model)}
            for name, model in (("response_a", "model_a"), ("response_b", "model_b"))
        }
        winners = [name for name in _WINNERS if number(record, name) == 1]
        if len(winners) != 1:
            raise BadFeedback(f"{len(winners)} of {', '.join(_WINNERS)} are 1, expected one of them")
        return Form("comparison", None, answers, [_WINNERS[winners[0]]], kept(record, *_WINNERS))


def _texts(record: Record, column: str) -> list[str]:
    value = decoded(record[column])
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise BadFeedback(f"{column} is no list of texts, expected one text per turn")
    return value


def _conversation(questions: list[str], answers: list[str]) -> list[dict[str, str]]:
    if len(questions) != len(answers):
        raise BadFeedback(f"prompt has {len(questions)} turns, expected {len(answers)}, one per answer")
    pairs = zip(questions, answers, strict=True)
    return [
        {"role": role, "content": text}
        for question, answer in pairs
        for role, text in (("user", question), ("assistant", answer))
    ]
