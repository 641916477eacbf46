"""The prompts that have feedback: a policy is trained on some of them and evaluated on others."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa

from feedback.arrow import MESSAGES
from feedback.items import group_of
from feedback.rows import table
from feedback.schema import Turn
from feedback.split import SplitName, SplitSettings
from feedback.stored import Event
from feedback.votes import arrived, chronological, effective, frozen_groups

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
    """One distinct prompt."""

    prompt_id: str
    group: str
    split: SplitName
    prompt: list[dict[str, str]]
    """Turns as `{role, content}`."""
    flags: list[str]
    """All flags of its events, in alphabetical order."""


def prompts(events: Iterable[Event], split: SplitSettings, salt: str) -> list[PromptRow]:
    """The distinct prompts of the events that count, sorted by prompt id. Each has the group of its first event.

    A fixed prompt (`feedback.items`) has a row in each split that has an item of it.
    """
    arrival = arrived(events)
    groups = frozen_groups(arrival)
    turns: dict[str, tuple[Turn, ...]] = {}
    flags: defaultdict[str, set[str]] = defaultdict(set)
    splits: defaultdict[str, dict[SplitName, str]] = defaultdict(dict)
    for event in effective(chronological(arrival)):
        turns[event.prompt_id] = event.prompt
        flags[event.prompt_id].update(event.flags)
        group = group_of(event, groups)
        splits[event.prompt_id].setdefault(split.split_of(group, salt), group)
    return [
        PromptRow(
            prompt_id=identity,
            group=group,
            split=part,
            prompt=[{"role": turn.role, "content": turn.content} for turn in turns[identity]],
            flags=sorted(flags[identity]),
        )
        for identity in sorted(turns)
        for part, group in sorted(splits[identity].items())
    ]


def prompt_table(rows: Sequence[PromptRow]) -> pa.Table:
    """Rows as a table with the columns of `PROMPTS`."""
    return table(rows, PROMPTS)
