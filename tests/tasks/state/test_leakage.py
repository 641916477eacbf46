"""Leakage is measured on the tables, whatever the split meant to do."""

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


def asked(group: str, split: SplitName, question: str) -> prompts.PromptRow:
    return prompts.PromptRow(question, group, split, [{"role": "user", "content": question}], [])


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """One row in every table, each of a group and prompt of its own."""
    made = Workspace(tmp_path)
    shown = DemonstrationRow("s", "train", [{"role": "user", "content": "S?"}], "yes", 1.0, [])
    parts: tuple[SplitName, ...] = ("train", "judge", "holdout")
    for part in parts:
        write(made, part, [pair(part, part, f"{part}?")])
    tables.write(made.demonstrations / "train.arrow", preferences.demonstration_table([shown]))
    for part in ("train", "holdout"):
        row = asked(f"{part} prompts", "train", f"And {part}?")
        tables.write(made.prompts / f"{part}.arrow", prompts.prompt_table([row]))
    return made


def write(place: Workspace, part: str, rows: list[PreferenceRow]) -> None:
    tables.write(place.preferences / f"{part}.arrow", preferences.preference_table(rows))


def test_parts_that_share_nothing_leak_nothing(place: Workspace) -> None:
    assert leaked(place) == 0


@pytest.mark.parametrize(
    ("part", "row"),
    [
        ("train", pair("holdout", "train", "Another?")),  # a held-out group is learned from
        ("judge", pair("elsewhere", "judge", " HOLDOUT?")),  # a held-out prompt is, written otherwise
        ("judge", pair("train", "judge", "Another?")),  # the judge shares a group with the reward model
        ("holdout", pair("s", "holdout", "Another?")),  # a held-out pair's group was demonstrated
        ("holdout", pair("elsewhere", "holdout", "and train?")),  # a held-out prompt is trained on
    ],
)
def test_every_way_to_leak_is_found(place: Workspace, part: str, row: PreferenceRow) -> None:
    before = tables.rows(place.preferences / f"{part}.arrow")
    write(place, part, [*(PreferenceRow(**old) for old in before), row])
    assert leaked(place) == 1
