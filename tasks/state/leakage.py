"""Leakage between training, judge and holdout data, measured on the tables that `curate` wrote."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from feedback import near_copies
from feedback.items import is_item
from feedback.unicode_forms import compatible
from tasks.state import tables
from tasks.state.workspace import Workspace, table

Prompt = tuple[tuple[str, str], ...]


class _Row(NamedTuple):
    """What is compared of a row."""

    group: str
    prompt: Prompt
    words: str | None
    """The text by which near-identical prompts are found; None for a row of an item."""


def leaked(workspace: Workspace) -> int:
    """Number of rows whose prompt or prompt group also occurs in a split that must not share it.

    Held-out pairs and prompts must share nothing with any training data, nor be near-identical to a prompt of it; the
    judge's pairs must share nothing with the reward model's.
    """
    train, judge, holdout = (table(workspace.preferences, split) for split in ("train", "judge", "holdout"))
    training = _rows([train, judge, table(workspace.demonstrations, "train"), table(workspace.prompts, "train")])
    held_out = _rows([holdout, table(workspace.prompts, "holdout")])
    texts = ({row.words for row in rows if row.words is not None} for rows in (training, held_out))
    copied = near_copies.near(*texts)
    leaks = sum(shared or row.words in copied for row, shared in _shared(held_out, training))
    return leaks + sum(shared for _, shared in _shared(_rows([judge]), _rows([train])))


def _shared(protected: Iterable[_Row], training: Iterable[_Row]) -> Iterator[tuple[_Row, bool]]:
    """Each protected row, and whether training shares its group or prompt."""
    rows = list(training)
    groups, prompts = {row.group for row in rows}, {row.prompt for row in rows}
    for row in protected:
        yield row, row.group in groups or row.prompt in prompts


def _rows(paths: Iterable[Path]) -> list[_Row]:
    """Group and prompt (in its form for near-duplicates) of each row. The prompt id is not used: the split used it.

    A fixed prompt is in several splits by intention (`feedback.items`), so there the item stands for the prompt.
    """
    return [_row(group, turns) for path in paths for group, turns in tables.columns(path, "group", "prompt")]


def _row(group: str, turns: Sequence[Mapping[str, str]]) -> _Row:
    if is_item(group):
        return _Row(group, (("item", group),), None)
    prompt = tuple((turn["role"], compatible(turn["content"])) for turn in turns)
    return _Row(group, prompt, near_copies.words(turns))
