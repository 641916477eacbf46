"""Transcripts, as in HH-RLHF (Bai et al. 2022): a conversation in one text, each turn after the name of a role."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal

from core.errors import BadFeedback

_TURN = re.compile(r"\n\n(Human|Assistant):")
_ROLES: Mapping[str, Literal["user", "assistant"]] = {"Human": "user", "Assistant": "assistant"}

BEGINNING = "\n\nHuman:"
"""What a transcript begins with."""

Turn = dict[str, str]


def preference(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of two transcripts as prompt, chosen answer and rejected answer.

    Raises:
        BadFeedback: a transcript cannot be read, or the two have different prompts.
    """
    chosen, rejected = transcript(record, "chosen"), transcript(record, "rejected")
    if chosen[:-1] != rejected[:-1]:
        raise BadFeedback("chosen and rejected differ before their last turns, expected one prompt with two answers")
    others = {name: value for name, value in record.items() if name not in ("chosen", "rejected")}
    return {
        **others,
        "prompt": chosen[:-1],
        "chosen": chosen[-1:],
        "rejected": rejected[-1:],
        "flags": _flags([*chosen, rejected[-1]]),
    }


def transcript(record: Mapping[str, Any], field: str) -> list[Turn]:
    r"""The turns of a text `\n\nHuman: … \n\nAssistant: …`.

    Raises:
        BadFeedback: the text has another form, a turn is empty, or the last turn is not an answer by the assistant.
    """
    text = record.get(field)
    if not isinstance(text, str):
        raise BadFeedback(f"{field} is {'missing' if text is None else 'not a string'}, expected a transcript")
    head, turns = _split(text)
    if head.strip() or len(turns) < 2 or turns[-1]["role"] != "assistant":
        raise BadFeedback(f"{field} is not a transcript, expected one that begins with a turn and ends with an answer")
    _check_texts(turns, field)
    return turns


def conversation(text: str, field: str) -> list[Turn]:
    r"""The turns of a transcript that may end with any turn; an empty `\n\nAssistant:` at the end is left out.

    Raises:
        BadFeedback: another turn is empty.
    """
    _, turns = _split(text)
    if len(turns) > 1 and turns[-1] == {"role": "assistant", "content": ""}:
        turns.pop()  # it marks where the answer follows
    _check_texts(turns, field)
    return turns


def is_one(text: str, whole: bool = True) -> bool:
    r"""Whether a text is a transcript; with `whole` False, also one that begins with `\n\nAssistant:`."""
    return text.startswith(BEGINNING) or (not whole and text.startswith("\n\nAssistant:"))


def _split(text: str) -> tuple[str, list[Turn]]:
    """What is above the first turn, and the turns."""
    head, *parts = _TURN.split(text)
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return head, [{"role": _ROLES[name], "content": text.strip()} for name, text in pairs]


def _check_texts(turns: list[Turn], field: str) -> None:
    if empty := [number for number, turn in enumerate(turns, start=1) if not turn["content"]]:
        raise BadFeedback(f"{field}: turn {empty[0]} of {len(turns)} is empty, expected text")


def _flags(turns: list[Turn]) -> list[str]:
    *prompt, _chosen, _rejected = turns
    flags = {
        "role_name_in_text": any(f"{name}:" in turn["content"] for turn in turns for name in _ROLES),
        "consecutive_turns": any(turn["role"] == after["role"] for turn, after in pairwise(prompt)),
    }
    return [name for name, applies in flags.items() if applies]
