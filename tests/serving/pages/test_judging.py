"""What a sent form says."""

from datetime import UTC, datetime

import pytest

from core.errors import BadFeedback
from feedback.labels import LabelJudgement, LabelKind, LabelTask
from serving.pages.judging import ASIDE, choices, choices_by_criterion, judgement
from tests.pages import ROOT


def task(kind: LabelKind, scale: tuple[int, int] | None = None) -> LabelTask:
    return LabelTask("t", kind, (), (), (), scale, False, datetime.now(UTC))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"said": "left:3"}, {"preferred": "left", "strength": 3}),
        ({"said": "right:2"}, {"preferred": "right", "strength": 2}),
        ({"said": "tie"}, {"preferred": "tie"}),
        ({"said": "9" * 5000}, {"preferred": "9" * 5000}),  # more digits than Python reads; no task has this choice
        ({"said": "both_bad"}, {"preferred": "both_bad"}),
        ({"said": "up"}, {"thumb": "up"}),
        ({"said": "4"}, {"rating": 4}),
        ({"said": "text", "critique": " Too long. "}, {"critique": "Too long."}),
        ({"said": "skip", "edited_left": "1", "criterion.tone": "left"}, {"outcome": "skip"}),
        ({"said": "cannot_judge", "reason": "Klingon"}, {"outcome": "cannot_judge", "reason": "Klingon"}),
        (
            {"said": "left:2", "criterion.tone": "right", "criterion.facts": "", "criterion.length": "cannot_judge"},
            {"preferred": "left", "strength": 2, "criteria": {"tone": "right", "length": "cannot_judge"}},
        ),
        ({"said": "5", "criterion.tone": "3"}, {"rating": 5, "criteria": {"tone": 3}}),
        ({"said": "5", "criterion.tone": "9" * 5000}, {"rating": 5, "criteria": {"tone": "9" * 5000}}),
        (
            {"said": "tie", "edited_right": "1", "edit_left": "L", "edit_right": "R"},
            {"preferred": "tie", "corrected": "right", "correction": "R"},
        ),
        ({"said": "tie", "edit_left": "L", "reason": " "}, {"preferred": "tie"}),
        ({"said": "tie", "duration_ms": "1200"}, {"preferred": "tie", "duration_ms": 1200}),
        ({"said": "tie", "duration_ms": ""}, {"preferred": "tie"}),
        ({"said": "tie", "duration_ms": "9" * 99}, {"preferred": "tie", "duration_ms": 2**31 - 1}),
    ],
)
def test_a_form_says(fields: dict[str, str], said: dict[str, object]) -> None:
    assert judgement(fields) == LabelJudgement.model_validate(said)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "nothing was chosen"),
        ({"said": "left:9"}, "strength cannot be used"),
        ({"said": "tie", "guideline_version": "x"}, "guideline_version cannot be used"),
        ({"said": "tie", "edited_left": "1", "edited_right": "1"}, "both answers were edited"),
    ],
)
def test_a_form_that_says_nothing_usable(fields: dict[str, str], problem: str) -> None:
    with pytest.raises(BadFeedback, match=problem):
        judgement(fields)


@pytest.mark.parametrize("of", [task("comparison"), task("binary"), task("rating", (1, 10))])
def test_a_key_does_one_thing(of: LabelTask) -> None:
    for offered in (choices(of), choices_by_criterion(of)):
        keys = [key for choice in offered for key in choice.keys]
        assert len(keys) == len(set(keys))
        assert not set(keys) & {*"usreih?", "Enter", "Escape"}


def test_every_pair_is_judged_by_one_of_five_keys_or_an_arrow() -> None:
    keys = {key: choice.said for choice in choices(task("comparison")) for key in choice.keys}
    assert [keys[key] for key in "12345"] == ["left:3", "left:2", "tie", "right:2", "right:3"]
    assert [keys[f"Arrow{side}"] for side in ("Left", "Right", "Up", "Down")] == [
        *("left:2", "right:2", "both_good", "both_bad")
    ]


def test_a_rating_has_a_key_for_each_value() -> None:
    assert [choice.keys for choice in choices(task("rating", (1, 10)))] == [*[(f"{n}",) for n in range(1, 10)], ("0",)]
    assert choices(task("critique")) == ()


def test_the_documentation_has_every_key() -> None:
    rows = [line for line in (ROOT / "docs/labelling.md").read_text(encoding="utf-8").splitlines() if "`" in line]
    for choice in (*choices(task("comparison")), *ASIDE):
        [row, *_] = [row for row in rows if row.startswith(f"| `{choice.names[0]}`")]
        assert choice.label in row
        assert all(any(f"`{name}`" in row for row in rows if row.startswith("| `")) for name in choice.names)
