"""The prompts that feedback was given on: what a policy trains on, and what it is evaluated on."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa

from feedback.arrow import MESSAGES
from feedback.schema import FeedbackEvent
from feedback.split import Split, SplitName

PROMPTS = pa.schema(
    [("prompt_id", pa.string()), ("group", pa.string()), ("split", pa.string()), ("prompt", MESSAGES)]
)


class PromptRow(NamedTuple):
    """One prompt, once."""

    prompt_id: str
    group: str
    split: SplitName
    prompt: list[dict[str, str]]
    """Turns as `{role, content}`."""


def prompts(events: Iterable[FeedbackEvent], split: Split, salt: str) -> list[PromptRow]:
    """Each prompt of the active events once, by prompt id."""
    first: dict[str, FeedbackEvent] = {}
    for event in events:
        if event.status == "active":
            first.setdefault(event.prompt_id, event)
    return [_row(first[identity], split, salt) for identity in sorted(first)]


def prompt_table(rows: Sequence[PromptRow]) -> pa.Table:
    """Rows as a table with the columns of `PROMPTS`."""
    return pa.Table.from_pylist([row._asdict() for row in rows], schema=PROMPTS)


def _row(event: FeedbackEvent, split: Split, salt: str) -> PromptRow:
    turns = [{"role": turn.role, "content": turn.content} for turn in event.prompt]
    return PromptRow(event.prompt_id, event.prompt_group, split.split_of(event.prompt_group, salt), turns)
