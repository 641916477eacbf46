"""The quarantine share that curate measures, and gate `data_quality` on it."""

import json
from pathlib import Path

import pytest

from core.errors import BadFeedback
from core.files import read_json, write_text
from evaluation.gates.data_quality import DataQualityGate
from evaluation.verdict import GateInputs
from tasks.state import tables
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import Workspace
from tasks.steps.curate import curate
from tasks.steps.ingest import ingest


def written(file: Path, good: range, bad: int) -> Path:
    """Write good preferences, and `bad` records without a rejected answer."""
    rows = [
        {"prompt": f"Question number {row} about topic {7 * row}?", "chosen": f"Good {row}", "rejected": f"Bad {row}"}
        for row in good
    ]
    broken = [{"prompt": f"{file.stem}, question {row}?", "chosen": "An answer"} for row in range(bad)]
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *broken]))
    return file


def curated(workspace: Workspace, number: int, *files: Path) -> dict[str, float]:
    """The metrics of curate, after ingest has read the files in round `number`."""
    sources = [{"use": "jsonl", "path": str(file)} for file in files]
    values = {"ingest": {"sources": sources, "rejected_limit": 1.0}}
    round = Round(workspace, number, None, seed=0, salt="salt", champion=None, inbox=(), values=values)
    write_text(workspace.answers, "")
    for step in (ingest, curate):
        step(round, StepLog())
    numbers: dict[str, float] = read_json(workspace.report("curate"))["metrics"]
    return numbers


def result_of_gate(numbers: dict[str, float]) -> str:
    inputs = GateInputs(candidate={f"curate/{name}": value for name, value in numbers.items()})
    return DataQualityGate().check(inputs).result


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def test_records_quarantined_in_round_0_are_judged_in_round_1(workspace: Workspace, tmp_path: Path) -> None:
    """Round 0 has no gates, and reading the same files again adds no records in round 1."""
    first = written(tmp_path / "first.jsonl", range(300), bad=700)
    assert curated(workspace, 0, first)["quarantine_share"] == 0.7
    numbers = curated(workspace, 1, first)
    assert (numbers["quarantine_share"], result_of_gate(numbers)) == (0.7, "hold")


def test_round_1_counts_the_records_of_rounds_0_and_1(workspace: Workspace, tmp_path: Path) -> None:
    first, second = (
        written(tmp_path / "first.jsonl", range(300), 60),
        written(tmp_path / "second.jsonl", range(300, 540), 0),
    )
    curated(workspace, 0, first)
    numbers = curated(workspace, 1, first, second)
    assert (numbers["quarantine_share"], result_of_gate(numbers)) == (60 / 600, "hold")


def test_from_round_2_on_a_round_is_judged_by_its_own_records(workspace: Workspace, tmp_path: Path) -> None:
    first, second = (
        written(tmp_path / "first.jsonl", range(300), 60),
        written(tmp_path / "second.jsonl", range(300, 340), 1),
    )
    curated(workspace, 0, first)
    curated(workspace, 1, first)
    numbers = curated(workspace, 2, first, second)
    assert (numbers["quarantine_share"], result_of_gate(numbers)) == (1 / 41, "promote")


WORDS = " ".join(f"word{number}" for number in range(30))


def claimed(tmp_path: Path, trust: bool) -> tuple[Workspace, dict[str, float], str, str]:
    """200 prompts; then a near copy of a held-out one that states the group of a training prompt.

    Returns:
        the workspace, the metrics of curate, the held-out prompt and its copy.
    """
    workspace = Workspace(tmp_path / "workspace")
    first = tmp_path / "first.jsonl"
    rows = [
        {"prompt": f"{number} {WORDS} {number} {number}", "chosen": "Yes", "rejected": "No"} for number in range(200)
    ]
    rows = [row | {"prompt": " ".join(f"{ix}x{word}" for word in row["prompt"].split())} for ix, row in enumerate(rows)]
    first.write_text("".join(json.dumps(row) + "\n" for row in rows))
    curated(workspace, 1, first)
    held_out = tables.rows(workspace.prompts / "holdout.arrow")[0]
    training = tables.rows(workspace.prompts / "train.arrow")[0]
    copy = held_out["prompt"][0]["content"] + " please"
    claim = {"prompt": copy, "prompt_group": training["group"]}
    second = tmp_path / "second.jsonl"
    shown = claim | {"completion": "So."}
    second.write_text(json.dumps(claim | {"chosen": "Yes", "rejected": "No"}) + "\n" + json.dumps(shown) + "\n")
    sources = [{"use": "jsonl", "path": str(first)}, {"use": "jsonl", "path": str(second), "trust": trust}]
    values = {"ingest": {"sources": sources}}
    round = Round(workspace, 2, None, seed=0, salt="salt", champion=None, inbox=(), values=values)
    for step in (ingest, curate):
        step(round, StepLog())
    return workspace, read_json(workspace.report("curate"))["metrics"], held_out["prompt"][0]["content"], copy


def texts(workspace: Workspace, split: str) -> set[str]:
    folders = (workspace.preferences, workspace.prompts, workspace.demonstrations)
    tables_ = [folder / f"{split}.arrow" for folder in folders if (folder / f"{split}.arrow").exists()]
    return {row["prompt"][0]["content"] for path in tables_ for row in tables.rows(path)}


def test_a_near_copy_of_a_held_out_prompt_is_not_trained_on_whatever_group_it_claims(tmp_path: Path) -> None:
    workspace, numbers, held_out, copy = claimed(tmp_path, trust=True)
    assert (numbers["near_copies"], numbers["leaked"]) == (1, 0)
    assert held_out in texts(workspace, "holdout")
    assert copy not in texts(workspace, "train") | texts(workspace, "judge")
    assert numbers["demonstrations"] == 0
    votes = {row["pair_id"] for row in tables.rows(workspace.preferences / "votes.arrow")}
    splits = ("train", "judge", "holdout")
    assert votes == {
        row["pair_id"] for split in splits for row in tables.rows(workspace.preferences / f"{split}.arrow")
    }


def test_without_trust_the_copy_is_in_the_group_of_the_held_out_prompt(tmp_path: Path) -> None:
    workspace, numbers, held_out, copy = claimed(tmp_path, trust=False)
    assert (numbers["near_copies"], numbers["leaked"]) == (0, 0)
    assert {held_out, copy} <= texts(workspace, "holdout")


def test_a_round_without_any_feedback_that_is_allowed_says_what_was_left_out(
    workspace: Workspace, tmp_path: Path
) -> None:
    file = written(tmp_path / "a.jsonl", range(30), 0)
    stated = [{**json.loads(line), "licence": "CC-BY-NC-4.0"} for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(row) + "\n" for row in stated))
    with pytest.raises(
        BadFeedback, match=r"which has licence CC-BY-NC-4\.0 \(30 events\), consent none-stated"
    ) as error:
        curated(workspace, 1, file)
    assert "verdict.gates.licence" in str(error.value)
