"""What curate measures of the records that came in."""

import json
from pathlib import Path

import pytest

from core.files import read_json, write_text
from evaluation.gates.data_quality import DataQualityGate
from evaluation.verdict import GateInputs
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.workspace import Workspace
from tasks.steps.curate import curate
from tasks.steps.ingest import ingest


def batch(file: Path, good: range, bad: int) -> Path:
    """Preferences of which some lack the rejected answer."""
    rows = [
        {"prompt": f"Question number {row} about topic {7 * row}?", "chosen": f"Good {row}", "rejected": f"Bad {row}"}
        for row in good
    ]
    broken = [{"prompt": f"{file.stem}, question {row}?", "chosen": "An answer"} for row in range(bad)]
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *broken]))
    return file


def curated(place: Workspace, number: int, *files: Path) -> dict[str, float]:
    """The numbers of curate, after ingest took the files in as round `number`."""
    values = {"ingest": {"sources": [{"use": "jsonl", "path": str(file)} for file in files]}}
    round = Round(place, number, None, seed=0, salt="salt", champion=None, inbox=(), values=values)
    write_text(place.answers, "")
    for step in (ingest, curate):
        step(round, StepLog())
    numbers: dict[str, float] = read_json(place.report("curate"))["metrics"]
    return numbers


def judged(numbers: dict[str, float]) -> str:
    return (
        DataQualityGate()
        .check(GateInputs(candidate={f"curate/{name}": value for name, value in numbers.items()}))
        .result
    )


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def test_what_round_0_quarantined_is_judged_in_round_1(place: Workspace, tmp_path: Path) -> None:
    """Round 0 has no gates, and the same files bring nothing new in round 1."""
    first = batch(tmp_path / "first.jsonl", range(300), bad=700)
    assert curated(place, 0, first)["quarantine_share"] == 0.7
    numbers = curated(place, 1, first)
    assert (numbers["quarantine_share"], judged(numbers)) == (0.7, "hold")


def test_round_1_counts_the_records_of_both(place: Workspace, tmp_path: Path) -> None:
    first, second = (
        batch(tmp_path / "first.jsonl", range(300), 60),
        batch(tmp_path / "second.jsonl", range(300, 540), 0),
    )
    curated(place, 0, first)
    numbers = curated(place, 1, first, second)
    assert (numbers["quarantine_share"], judged(numbers)) == (60 / 600, "hold")


def test_from_round_2_on_a_round_is_judged_by_its_own_records(place: Workspace, tmp_path: Path) -> None:
    first, second = (
        batch(tmp_path / "first.jsonl", range(300), 60),
        batch(tmp_path / "second.jsonl", range(300, 340), 1),
    )
    curated(place, 0, first)
    curated(place, 1, first)
    numbers = curated(place, 2, first, second)
    assert (numbers["quarantine_share"], judged(numbers)) == (1 / 41, "promote")
