"""A demonstration in the form of Alpaca (Taori et al. 2023): `{instruction, input, output}`."""

from collections.abc import Mapping
from typing import Any

from core.errors import BadFeedback
from feedback.layouts import Form, Layout, Record, below, decoded, empty, kept, single


class Alpaca(Layout):
    """The instruction, and the input below it where there is one, are the prompt."""

    columns = frozenset({"instruction", "output"})
    optional = frozenset({"input", "system", "history", "text", "kto_tag"})

    def read(self, record: Record) -> Form:
        """One answer to imitate, or with a thumb; `history` is a list of earlier questions and answers, or of turns."""
        turns = [{"role": "system", "content": record["system"]}] if record.get("system") else []
        native = kept(record, "input", "text") | empty(record, "system", "history")
        prompt = [*turns, *_earlier(record), {"role": "user", "content": below(record, "instruction", "input")}]
        return single(record, prompt, {"output": record["output"]}, native)


def _earlier(record: Record) -> list[Mapping[str, Any]]:
    """The turns of `history`, which a table may hold as JSON."""
    history = decoded(record.get("history") or [])
    if isinstance(history, list) and all(isinstance(turn, Mapping) for turn in history):
        return history
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise BadFeedback(f"history is {history!r:.60}, expected a list of [question, answer], or of turns")
    return [
        {"role": role, "content": text}
        for pair in history
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
