"""Leakage between the parts of the data, measured on the tables that were written: what is held out stays unseen."""

from collections.abc import Iterable
from pathlib import Path

from feedback.schema import normalise
from tasks.state import tables
from tasks.state.workspace import Workspace, table

Prompt = tuple[tuple[str, str], ...]


def leaked(workspace: Workspace) -> int:
    """Rows of one part whose prompt, or whose prompt group, stands in a part it has to be kept from.

    Held-out pairs and prompts are kept from all that anything learns from; the judge's pairs from the reward model's.
    """
    train, judge, holdout = (table(workspace.preferences, part) for part in ("train", "judge", "holdout"))
    learned = [train, judge, table(workspace.demonstrations, "train"), table(workspace.prompts, "train")]
    return _shared([holdout, table(workspace.prompts, "holdout")], learned) + _shared([judge], [train])


def _shared(kept: Iterable[Path], seen: Iterable[Path]) -> int:
    groups: set[str] = set()
    prompts: set[Prompt] = set()
    for path in seen:
        for group, prompt in _rows(path):
            groups.add(group)
            prompts.add(prompt)
    return sum(group in groups or prompt in prompts for path in kept for group, prompt in _rows(path))


def _rows(path: Path) -> Iterable[tuple[str, Prompt]]:
    """Group and normalised prompt of each row: not by its prompt id, which the split was made with."""
    for row in tables.rows(path):
        yield row["group"], tuple((turn["role"], normalise(turn["content"])) for turn in row["prompt"])
