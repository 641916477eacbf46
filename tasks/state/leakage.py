"""Leakage between training, judge and holdout data, measured on the tables that `curate` wrote."""

from collections.abc import Iterable
from pathlib import Path

from feedback.items import is_item
from feedback.unicode_forms import compatible
from tasks.state import tables
from tasks.state.workspace import Workspace, table

Prompt = tuple[tuple[str, str], ...]


def leaked(workspace: Workspace) -> int:
    """Number of rows whose prompt or prompt group also occurs in a split that must not share it.

    Held-out pairs and prompts must share nothing with any training data; the judge's pairs must share nothing with the
    reward model's.
    """
    train, judge, holdout = (table(workspace.preferences, split) for split in ("train", "judge", "holdout"))
    training = [train, judge, table(workspace.demonstrations, "train"), table(workspace.prompts, "train")]
    return _shared([holdout, table(workspace.prompts, "holdout")], training) + _shared([judge], [train])


def _shared(protected: Iterable[Path], training: Iterable[Path]) -> int:
    groups: set[str] = set()
    prompts: set[Prompt] = set()
    for path in training:
        for group, prompt in _rows(path):
            groups.add(group)
            prompts.add(prompt)
    return sum(group in groups or prompt in prompts for path in protected for group, prompt in _rows(path))


def _rows(path: Path) -> Iterable[tuple[str, Prompt]]:
    """Group and prompt (in its form for near-duplicates) of each row. The prompt id is not used: the split used it.

    A fixed prompt is in several splits by intention (`feedback.items`), so there the item stands for the prompt.
    """
    for group, turns in tables.columns(path, "group", "prompt"):
        prompt = tuple((turn["role"], compatible(turn["content"])) for turn in turns)
        yield group, (("item", group),) if is_item(group) else prompt
