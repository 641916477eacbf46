"""Candidate and champion answer the same held-out prompts."""

from pathlib import Path

import pytest

from core.files import read_json
from feedback import pairs
from models.reward import RewardModel
from tasks.state import tables
from tasks.state.round import Round
from tasks.steps.sample import sample
from tests.tasks.steps.hand_written import QUESTIONS, Logged, ModelsCounted, opened, put, turns, write_prompts


@pytest.fixture
def sampled(tmp_path: Path, models: Path) -> Round:
    """Two prompts of three were answered. The champion is the SFT model."""
    round = opened(tmp_path, champion="4", sample={"prompts": 2})
    workspace = round.workspace
    put(models / "policy", workspace.checkpoint("policy"))
    put(models / "sft", workspace.checkpoint("sft"))
    put(models / "sft", workspace.champion)
    for name in ("reward", "judge"):
        put(models / "reward", workspace.checkpoint(name))
    write_prompts(workspace, "holdout")
    sample(round, Logged())
    return round


def test_both_answer_as_many_prompts_as_the_knob_says(sampled: Round) -> None:
    rows = tables.rows(sampled.workspace.sampled)
    assert len({row["prompt_id"] for row in rows} & {"p0", "p1", "p2"}) == len(rows) == 2
    assert [row["prompt"] for row in rows] == [QUESTIONS[int(row["group"][1:])] for row in rows]
    tokens = sum(row["candidate_tokens"] + row["champion_tokens"] for row in rows)
    assert read_json(sampled.workspace.report("sample"))["metrics"] == {
        "prompts": 2,
        "cut_prompts": 0.0,
        "tokens": tokens,
    }
    assert 4 <= tokens <= 16  # four answers of one to four tokens


def test_only_a_model_other_than_the_reference_has_a_divergence(sampled: Round) -> None:
    rows = tables.rows(sampled.workspace.sampled)
    assert [row["champion_kl"] for row in rows] == pytest.approx([0, 0], abs=1e-5)
    assert all(abs(row["candidate_kl"]) > 1e-4 for row in rows)


def test_scores_are_those_of_the_reward_model(sampled: Round, models: Path) -> None:
    rows = tables.rows(sampled.workspace.sampled)
    scorer = RewardModel.load(models / "reward")
    scores = scorer.score([turns(row["prompt"]) for row in rows], [row["candidate_texts"] for row in rows])
    assert [row["candidate_reward"] for row in rows] == pytest.approx(scores.tolist(), abs=1e-4)


def test_voters_see_the_answers_on_the_side_that_the_table_states(sampled: Round) -> None:
    rows = [row for row in tables.rows(sampled.workspace.sampled) if row["left"]]
    shown = pairs.read(sampled.workspace.pairs)
    assert [pair.responses[0].text for pair in shown] == [row[f"{row['left']}_texts"] for row in rows]
    assert {response.model_version for pair in shown for response in pair.responses} <= {None}


def test_one_model_at_a_time_is_in_memory(sampled: Round) -> None:
    counted = ModelsCounted()
    sample(sampled, counted)
    assert counted.most == 1
