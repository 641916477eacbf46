"""Drift of a round: which rows are compared, and the report."""

from pathlib import Path

import numpy as np
import pytest

from core.files import read_json
from models.reward import RewardModel
from tasks.state.reports import EvaluateReport
from tasks.steps.drift import drift, first_row_per_group, one_pair_per_group, page, scored_pairs
from tests.tasks.steps.hand_written import Logged, opened, preference


def test_the_first_row_of_each_group() -> None:
    assert first_row_per_group(["a", "b", "a", "c", "b"]) == [0, 1, 3]
    assert first_row_per_group([]) == []


def test_one_pair_per_group_without_ties() -> None:
    p_chosen, groups = (1.0, 0.5, 0.75, 1.0, 0.5), ("a", "a", "a", "b", "c")
    rows = [
        preference(number, "train", p, group)._asdict()
        for number, (p, group) in enumerate(zip(p_chosen, groups, strict=True))
    ]
    drawn = one_pair_per_group(rows, count=5, seed=1)
    assert sorted(row["group"] for row in drawn) == ["a", "b"]
    assert all(row["p_chosen"] != 0.5 for row in drawn)
    assert len(one_pair_per_group(rows, count=1, seed=1)) == 1


def test_margins_are_divided_by_the_models_temperature(models: Path) -> None:
    model, rows = RewardModel.load(models / "reward"), [preference(n, "holdout", 0.75)._asdict() for n in range(3)]
    scored = scored_pairs(model, rows, annotator=None)
    assert scored.margins == pytest.approx(model.margins(rows) / 2)  # the fixture's temperature is 2
    assert scored.p_chosen.tolist() == [0.75] * 3
    assert scored.ceiling is None
    assert len(scored_pairs(model, [], annotator=None).margins) == 0


def test_without_a_reference_only_judge_and_votes_are_compared(tmp_path: Path) -> None:
    """.9 - .5 = .4 is above the limit of .15; half-widths of .05 make it significant."""
    round = opened(tmp_path)
    numbers = {"judge_win_rate": 0.9, "judge_win_rate_low": 0.85, "judge_win_rate_high": 0.95, "judge_prompts": 400}
    numbers |= {"win_rate": 0.5, "win_rate_low": 0.45, "win_rate_high": 0.55, "votes": 400}
    EvaluateReport(metrics=dict(numbers)).save(round.workspace.report("evaluate"))
    drift(round, Logged())
    report = read_json(round.workspace.report("drift"))
    [check] = report["checks"]
    assert (check["name"], check["alarm"]) == ("judge_gap", True)
    assert check["effect"] == pytest.approx(0.4)
    assert report["metrics"]["alarms"] == 1


def test_a_page_needs_a_report_and_a_round_after_round_0(tmp_path: Path) -> None:
    round = opened(tmp_path)
    assert page(round, {}) is None
    EvaluateReport(metrics={}).save(round.workspace.report("evaluate"))
    drift(round, Logged())
    path = page(round, {})
    assert path == round.workspace.reports / "drift.html"
    assert path.exists()
    assert page(opened(tmp_path, number=0), {}) is None


def test_pairs_without_groups_are_drawn_by_seed() -> None:
    rows = [preference(number, "train")._asdict() for number in range(30)]
    first, again, other = ([row["pair_id"] for row in one_pair_per_group(rows, 10, seed)] for seed in (1, 1, 2))
    assert first == again != other
    assert len(np.unique(first)) == 10
