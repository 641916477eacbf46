"""The prompts that feedback was given on: what a policy trains on, and what it is evaluated on."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa

from feedback.arrow import MESSAGES
from feedback.schema import FeedbackEvent, Message
from feedback.split import SplitName, SplitSettings
from feedback.votes import frozen_groups, in_time, standing

PROMPTS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("group", pa.string()),
        ("split", pa.string()),
        ("prompt", MESSAGES),
        ("flags", pa.list_(pa.string())),
    ]
)


class PromptRow(NamedTuple):
    """One prompt, once."""

    prompt_id: str
    group: str
    split: SplitName
    prompt: list[dict[str, str]]
    """Turns as `{role, content}`."""
    flags: list[str]
    """All flags of its events, in alphabetical order."""


def prompts(events: Iterable[FeedbackEvent], split: SplitSettings, salt: str) -> list[PromptRow]:
    """Each prompt of the events that count once, by prompt id, in the group that it had first."""
    ordered = in_time(events)
    groups = frozen_groups(ordered)
    asked: dict[str, tuple[Message, ...]] = {}
    flags: defaultdict[str, set[str]] = defaultdict(set)
    for event in standing(ordered):
        asked[event.prompt_id] = event.prompt
        flags[event.prompt_id].update(event.flags)
    return [
        PromptRow(
            prompt_id=identity,
            group=groups[identity],
            split=split.split_of(groups[identity], salt),
            prompt=[{"role": turn.role, "content": turn.content} for turn in asked[identity]],
            flags=sorted(flags[identity]),
        )
        for identity in sorted(asked)
    ]


def prompt_table(rows: Sequence[PromptRow]) -> pa.Table:
    """Rows as a table with the columns of `PROMPTS`."""
    return pa.Table.from_pylist([row._asdict() for row in rows], schema=PROMPTS)
