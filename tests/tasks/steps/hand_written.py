"""Workspaces written by hand, in which one step can run: no round, and no trained model."""

import gc
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import LlamaForCausalLM

from core.files import write_text
from feedback.preferences import demonstration_table, preference_table, vote_table
from feedback.prompts import PromptRow, prompt_table
from feedback.rows import DemonstrationRow, PreferenceRow
from feedback.split import SplitName
from tasks.state import tables
from tasks.state.inputs import Champion
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import Workspace, table

SHAPE = {"width": 16, "layers": 1, "heads": 2, "feed_forward": 32, "vocabulary": 300, "max_answer_tokens": 4}
"""`model.*`: one block of hidden size 16, and answers of at most 4 tokens."""

QUESTIONS = ("Where is my parcel?", "Can I return the lamp?", "Is the lamp in stock?")


class Logged(StepLog):
    """Keeps the metrics that a step reports."""

    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}
        """Metric → its latest value."""
        self.last: dict[str, float] = {}
        """The metrics reported last."""
        super().__init__([self._keep])

    def _keep(self, metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        self.metrics |= metrics
        self.last = dict(metrics)


def opened(root: Path, number: int = 1, champion: str | None = None, **values: Any) -> Round:
    """An open round, with parameters by section."""
    workspace = Workspace(root / "workspace")
    workspace.data.mkdir(parents=True, exist_ok=True)
    write_text(workspace.answers, "")
    version = Champion(version=champion, digest="0" * 64) if champion else None
    return Round(workspace, number, None, 7, "salt", version, (), {"model": SHAPE, **values})


def turns(text: str) -> list[dict[str, str]]:
    """A prompt of one turn."""
    return [{"role": "user", "content": text}]


def put(model: Path, target: Path) -> None:
    """Copy a saved model."""
    shutil.copytree(model, target)


def write_prompts(workspace: Workspace, split: SplitName, texts: Sequence[str] = QUESTIONS) -> None:
    """Prompts `p0`, `p1`, … in groups `g0`, `g1`, …"""
    rows = [PromptRow(f"p{i}", f"g{i}", split, turns(text), []) for i, text in enumerate(texts)]
    tables.write(table(workspace.prompts, split), prompt_table(rows))


def preference(number: int, split: SplitName, p_chosen: float = 1.0, group: str = "") -> PreferenceRow:
    """A pair whose chosen answer differs from the rejected one by a word."""
    prompt, name = turns(f"Question {number}?"), f"{split}-{number}"
    return PreferenceRow(
        pair_id=name,
        group=group or name,
        split=split,
        prompt=prompt,
        chosen=f"Good {number}.",
        rejected=f"Bad {number}.",
        p_chosen=p_chosen,
        weight=1.0,
        n_votes=1,
        criterion="overall",
        source="test",
        round=1,
        feedback_ids=[f"event-{name}"],
    )


def write_preferences(workspace: Workspace, split: SplitName, count: int, equal_after_cut: int = 0) -> None:
    """Pairs of one split, and a table of votes without rows; the first pairs differ only after many words."""
    rows = [preference(number, split) for number in range(count)]
    long = "word " * 60
    for ix, row in enumerate(rows[:equal_after_cut]):
        rows[ix] = row._replace(chosen=f"{long}good {ix}", rejected=f"{long}bad {ix}")
    tables.write(table(workspace.preferences, split), preference_table(rows))
    tables.write(table(workspace.preferences, "votes"), vote_table([]))


def write_demonstrations(workspace: Workspace, count: int) -> None:
    """Demonstrations to train on."""
    rows = [
        DemonstrationRow(f"g{i}", "train", turns(f"Question {i}?"), f"Answer {i}.", 1.0, [f"event-{i}"])
        for i in range(count)
    ]
    tables.write(table(workspace.demonstrations, "train"), demonstration_table(rows))


class ModelsCounted(StepLog):
    """Notes how many language models are in memory beside those that were there before."""

    def __init__(self) -> None:
        self.most, self._before = 0, _models()
        super().__init__([self._count])

    def _count(self, metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        self.most = max(self.most, len(_models() - self._before))


def _models() -> set[int]:
    gc.collect()
    return {id(thing) for thing in gc.get_objects() if type(thing) is LlamaForCausalLM}
