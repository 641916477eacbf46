from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadParams
from feedback.split import SplitSettings

GROUPS = [f"group {number}" for number in range(4000)]


def test_shares_are_met() -> None:
    counts = Counter(SplitSettings().split_of(group, "salt") for group in GROUPS)
    # 4,000 draws: the standard deviation of a share of .15 is .0056
    assert counts["holdout"] / 4000 == pytest.approx(0.15, abs=0.02)
    assert counts["judge"] / 4000 == pytest.approx(0.15, abs=0.02)


def test_a_split_is_frozen_across_releases() -> None:
    assert [SplitSettings().split_of(group, "salt") for group in ("a", "b", "c", "d", "e", "f")] == [
        "train",
        "judge",
        "train",
        "train",
        "holdout",
        "train",
    ]


def test_another_salt_is_another_split() -> None:
    split = SplitSettings()
    assert [split.split_of(group, "one") for group in GROUPS] != [split.split_of(group, "two") for group in GROUPS]


@given(st.text(), st.text(), st.floats(0, 0.85))
def test_the_border_between_train_and_judge_does_not_move_the_holdout(group: str, salt: str, judge: float) -> None:
    moved = SplitSettings(train=0.85 - judge, judge=judge, holdout=0.15)
    assert (moved.split_of(group, salt) == "holdout") == (SplitSettings().split_of(group, salt) == "holdout")


def test_the_whole_in_one_part() -> None:
    assert {SplitSettings(train=1, judge=0, holdout=0).split_of(group, "salt") for group in GROUPS} == {"train"}
    assert {SplitSettings(train=0, judge=0, holdout=1).split_of(group, "salt") for group in GROUPS} == {"holdout"}


def test_shares_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(BadParams, match=r"is 1\.1; make the three shares sum to 1"):
        SplitSettings(train=0.8)
