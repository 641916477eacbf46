"""Evaluations ask the models of a round for answers and margins."""

from pathlib import Path

import pytest

from evaluation.evals import Row
from feedback.schema import Message, Prompt
from models.rollout import SamplingSettings
from tasks.state import loading
from tasks.steps.evaluate.model_access import model_access
from tests.tasks.steps.hand_written import Logged, opened, put

PROMPT: Prompt = (Message(role="user", content="Where is my parcel?"),)
PAIR = {"prompt": PROMPT, "chosen": "It is on its way.", "rejected": "No."}
SWAPPED = PAIR | {"chosen": PAIR["rejected"], "rejected": PAIR["chosen"]}


def test_both_models_answer_and_time_is_counted(tmp_path: Path, models: Path) -> None:
    round, log = opened(tmp_path, champion="4"), Logged()
    put(models / "policy", round.workspace.checkpoint("policy"))
    put(models / "sft", round.workspace.champion)
    ask = model_access(round, loading.of_round(round), SamplingSettings(), log, {}).answer
    candidate, champion = ask([PROMPT, PROMPT])
    assert (len(candidate), len(champion)) == (2, 2)
    assert candidate != champion
    assert ask([PROMPT, PROMPT]) == (candidate, champion)  # seeded by the round and the model
    assert log.learning_seconds > 0


def test_margins_are_calibrated_and_change_sign_with_the_sides(tmp_path: Path, models: Path) -> None:
    round = opened(tmp_path)
    put(models / "reward", round.workspace.checkpoint("reward"))
    compare = model_access(round, loading.of_round(round), SamplingSettings(), Logged(), {}).compare
    margins, before = compare([PAIR, SWAPPED])
    assert margins[0] == pytest.approx(-margins[1])
    assert margins[0] != 0
    assert before is None
    put(models / "reward", round.workspace.previous_reward)
    margins, before = compare([PAIR])
    assert before is not None
    assert before == pytest.approx(margins)


def test_kept_rows_are_stored_by_name(tmp_path: Path) -> None:
    stored: dict[str, list[Row]] = {}
    round = opened(tmp_path)
    model_access(round, loading.of_round(round), SamplingSettings(), Logged(), stored).keep(
        "red_team", ({"answer": "No."},)
    )
    assert stored == {"red_team": [{"answer": "No."}]}
