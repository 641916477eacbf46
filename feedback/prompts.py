"""The prompts that feedback was given on: what a policy trains on, and what it is evaluated on."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa

from feedback.arrow import MESSAGES
from feedback.schema import FeedbackEvent
from feedback.split import Split, SplitName
from feedback.votes import frozen_groups, in_time, standing

PROMPTS = pa.schema([("prompt_id", pa.string()), ("group", pa.string()), ("split", pa.string()), ("prompt", MESSAGES)])


class PromptRow(NamedTuple):
    """One prompt, once."""

    prompt_id: str
    group: str
    split: SplitName
    prompt: list[dict[str, str]]
    """Turns as `{role, content}`."""


def prompts(events: Iterable[FeedbackEvent], split: Split, salt: str) -> list[PromptRow]:
    """Each prompt of the events that count once, by prompt id, in the group that it had first."""
    ordered = in_time(events)
    groups = frozen_groups(ordered)
    asked = {event.prompt_id: event.prompt for event in standing(ordered)}
    return [
        PromptRow(
            prompt_id=identity,
            group=groups[identity],
            split=split.split_of(groups[identity], salt),
            prompt=[{"role": turn.role, "content": turn.content} for turn in asked[identity]],
        )
        for identity in sorted(asked)
    ]


def prompt_table(rows: Sequence[PromptRow]) -> pa.Table:
    """Rows as a table with the columns of `PROMPTS`."""
    return pa.Table.from_pylist([row._asdict() for row in rows], schema=PROMPTS)
