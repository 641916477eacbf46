"""Leakage is measured on the written tables, independently of the split."""

from pathlib import Path

import pytest

from feedback import preferences, prompts
from feedback.rows import DemonstrationRow, PreferenceRow
from feedback.split import SplitName
from tasks.state import tables
from tasks.state.leakage import leaked
from tasks.state.workspace import Workspace


def pair(group: str, split: SplitName, question: str) -> PreferenceRow:
    turns = [{"role": "user", "content": question}]
    return PreferenceRow(question, group, split, turns, "yes", "no", 1.0, 1.0, 1, "overall", "test", 0, [])


def prompt(group: str, split: SplitName, question: str) -> prompts.PromptRow:
    return prompts.PromptRow(question, group, split, [{"role": "user", "content": question}], [])


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """One row in every table, each with its own group and prompt."""
    workspace = Workspace(tmp_path)
    shown = DemonstrationRow("s", "train", [{"role": "user", "content": "S?"}], "yes", 1.0, [])
    splits: tuple[SplitName, ...] = ("train", "judge", "holdout")
    for split in splits:
        write(workspace, split, [pair(split, split, f"{split}?")])
    tables.write(workspace.demonstrations / "train.arrow", preferences.demonstration_table([shown]))
    for split in ("train", "holdout"):
        row = prompt(f"{split} prompts", "train", f"And {split}?")
        tables.write(workspace.prompts / f"{split}.arrow", prompts.prompt_table([row]))
    return workspace


def write(workspace: Workspace, split: str, rows: list[PreferenceRow]) -> None:
    tables.write(workspace.preferences / f"{split}.arrow", preferences.preference_table(rows))


def test_disjoint_splits_have_no_leakage(workspace: Workspace) -> None:
    assert leaked(workspace) == 0


@pytest.mark.parametrize(
    ("split", "row"),
    [
        ("train", pair("holdout", "train", "Another?")),  # a held-out group is in the training data
        ("judge", pair("elsewhere", "judge", " HOLDOUT?")),  # a held-out prompt, with other case and spaces
        ("judge", pair("train", "judge", "Another?")),  # the judge shares a group with the reward model
        ("holdout", pair("s", "holdout", "Another?")),  # a held-out pair's group has a demonstration
        ("holdout", pair("elsewhere", "holdout", "and train?")),  # the prompt of a held-out pair is a training prompt
        ("holdout", pair("elsewhere", "holdout", "And: train!")),  # it is near-identical to a training prompt
    ],
)
def test_every_kind_of_leakage_is_detected(workspace: Workspace, split: str, row: PreferenceRow) -> None:
    before = tables.rows(workspace.preferences / f"{split}.arrow")
    write(workspace, split, [*(PreferenceRow(**old) for old in before), row])
    assert leaked(workspace) == 1
