"""Answers of the last evaluation, and an explanation as plain values."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from core.errors import BadWorkspace, NotFound, RoundsError
from models.attribution import Attribution, TokenAttribution
from tasks.analysis.explain import AnswerToExplain, Explained, Explanation, NearPair, sample
from tasks.registry.versions import ModelVersion
from tasks.state import tables
from tasks.state.workspace import Workspace
from tests.tasks.steps.hand_written import opened, preference, turns, write_prompts

VERSION = ModelVersion("reward", "2", 3, "run", "0" * 64, {}, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two samples; the prompt of the second is gone."""
    workspace = opened(tmp_path).workspace
    write_prompts(workspace, "holdout", ["Is it open?"])
    columns = {"prompt_id": ["p0", "gone"], "candidate_texts": ["Yes.", "A"], "champion_texts": ["No.", "B"]}
    tables.write(workspace.sampled, pa.table(columns))
    return workspace


def test_a_sample_is_the_candidates_and_the_champions_answer(workspace: Workspace) -> None:
    prompt = turns("Is it open?")
    assert sample(workspace, 0) == [
        AnswerToExplain("candidate", prompt, "Yes."),
        AnswerToExplain("champion", prompt, "No."),
    ]


@pytest.mark.parametrize(
    ("number", "error", "fact"),
    [(2, NotFound, "samples 0 to 1"), (-1, NotFound, "samples 0 to 1"), (1, BadWorkspace, "prompt gone")],
)
def test_a_sample_that_is_not_there_is_an_error(
    workspace: Workspace, number: int, error: type[RoundsError], fact: str
) -> None:
    with pytest.raises(error, match=fact):
        sample(workspace, number)


def test_an_explanation_as_plain_values() -> None:
    """0.1 + (0.4 - 0.1) + 0.2 = 0.6"""
    pieces = [TokenAttribution("Yes", 0.4, -0.1), TokenAttribution(".", 0.2, 0.0)]
    attribution = Attribution(score=0.6, blank=0.1, pieces=pieces, error=0.0, steps=8, truncated=0, cut=0)
    near = NearPair(preference(1, "train"), "chosen", 0.9, ("ana",))
    answer = AnswerToExplain("chosen", turns("Is it open?"), "Yes.")
    plain = Explanation(VERSION, (Explained(answer, attribution, (near,)),), None).to_json()
    [explained] = plain["answers"]
    assert (plain["reward"], plain["round"], plain["missing"]) == ("2", 3, None)
    assert [piece["total"] for piece in explained["pieces"]] == pytest.approx([0.3, 0.2])
    assert (explained["text"], explained["near"][0]["row"]["pair_id"]) == ("Yes.", "train-1")
