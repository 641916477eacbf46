"""Preferences of NeMo-Aligner for DPO: `{prompt, chosen_response, rejected_response}`, perhaps with rewards."""

import re

from core.errors import BadFeedback
from feedback.layouts import FIRST, Form, Layout, Record, kept

_TURN = re.compile(r"<extra_id_[01]>(System|User|Assistant)\n")
"""The beginning of a turn in NeMo's chat template, in which older files write the prompt."""
_END = re.compile(r"\n?<extra_id_[01]>\Z")


class NeMoDPO(Layout):
    """`chosen_response` is the better answer. A prompt in NeMo's chat template is taken apart into turns."""

    columns = frozenset({"prompt", "chosen_response", "rejected_response"})

    def read(self, record: Record) -> Form:
        """The chosen answer comes first; the rewards are kept in `extra`."""
        prompt = record["prompt"]
        if not isinstance(prompt, str) or not _TURN.match(prompt):
            answers = {name: record[name] for name in ("chosen_response", "rejected_response")}
            return Form("comparison", prompt, answers, [FIRST])
        answers = {name: _END.sub("", _text(record, name)) for name in ("chosen_response", "rejected_response")}
        return Form("comparison", _turns(prompt), answers, [FIRST], kept(record, "prompt", *answers))


def _text(record: Record, column: str) -> str:
    if not isinstance(text := record[column], str):
        raise BadFeedback(f"{column} is {text!r:.60}, expected a text, as the prompt is one in NeMo's chat template")
    return text


def _turns(prompt: str) -> list[dict[str, str]]:
    """The turns of a rendered prompt; the last one, of the assistant, is empty, as may be that of the system."""
    _, *parts = _TURN.split(prompt)
    turns = zip(parts[::2], parts[1::2], strict=True)
    return [{"role": name.lower(), "content": text.removesuffix("\n")} for name, text in turns if text.strip()]
