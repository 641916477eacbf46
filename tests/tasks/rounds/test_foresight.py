"""A round that could learn nothing from the feedback at hand is refused at opening, with the knob to set."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadFeedback
from tasks.rounds import foresight, opening
from tasks.rounds.plan import plan
from tasks.state.intake import hand_in
from tasks.state.workspace import Workspace

CASES = Path(__file__).parents[4] / "shared/cases"
NO_SOURCE = "ingest.sources=[]"


def capital(count: int = 150) -> list[dict[str, Any]]:
    return [
        {
            "kind": "comparison",
            "prompt": f"Question number {number} about {7 * number}?",
            "responses": [f"Good answer {number}", f"Bad {number}"],
            "judgements": [{"criterion": "Overall", "ranks": [1, 2]}],
        }
        for number in range(count)
    ]


def handed_in(workspace: Workspace, records: list[dict[str, Any]]) -> Workspace:
    file = workspace.root / "handed.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    hand_in(workspace, [file])
    return workspace


def demonstrations(count: int = 30) -> list[dict[str, Any]]:
    return [{"prompt": f"Question {number}?", "completion": f"Answer {number}."} for number in range(count)]


def checked(workspace: Workspace, *overrides: str) -> None:
    foresight.check(workspace, opening.effective(workspace, [NO_SOURCE, *overrides]))


def test_the_case_is_what_is_tested_here() -> None:
    file = CASES / "capital_criterion.jsonl"
    if not file.exists():
        pytest.skip("the folder of cases is not beside the project")
    assert [json.loads(line) for line in file.read_text().splitlines()] == capital()


def test_a_criterion_in_other_letters(workspace: Workspace) -> None:
    handed_in(workspace, capital())
    with pytest.raises(BadFeedback) as refusal:
        opening.checked(workspace, [NO_SOURCE])
    assert str(refusal.value) == (
        "150 comparisons, none by the criterion `overall`; there is `Overall`: set curate.criterion"
    )
    checked(workspace, "curate.criterion=Overall", "curate.chosen_as_demonstrations=true")


def test_comparisons_alone_need_a_base_model_or_the_preferred_answers(workspace: Workspace) -> None:
    handed_in(workspace, capital())
    with pytest.raises(BadFeedback, match=r"model\.base=FOLDER.*curate\.chosen_as_demonstrations=true"):
        checked(workspace, "curate.criterion=Overall")


def test_ratings_alone(workspace: Workspace) -> None:
    rating = {"kind": "rating", "judgements": [{"scores": [4], "scale_min": 1, "scale_max": 5}]}
    handed_in(workspace, [rating | {"prompt": f"{number}?", "responses": ["Yes."]} for number in range(20)])
    with pytest.raises(BadFeedback, match=r"20 ratings.*curate\.min_rating_difference"):
        checked(workspace)


def test_demonstrations_alone_train_the_first_model(workspace: Workspace) -> None:
    checked(handed_in(workspace, demonstrations()))
    learns = plan(workspace, [NO_SOURCE]).learns
    assert learns[0] == "SFT: 30 answers to imitate"
    assert "bring comparisons" in learns[1]


def test_a_source_that_labels_answers_gives_the_pairs(workspace: Workspace) -> None:
    handed_in(workspace, demonstrations())
    assert len(plan(workspace, []).learns) == 2


def test_without_feedback_nothing_is_refused_here(workspace: Workspace) -> None:
    checked(workspace)
    assert plan(workspace, [NO_SOURCE]).learns == ()


def test_more_feedback_than_is_read_is_not_refused(workspace: Workspace) -> None:
    checked(handed_in(workspace, capital(foresight.MAX_RECORDS)))
    learns = plan(workspace, [NO_SOURCE]).learns
    assert learns
    assert all(line.startswith(f"of the first {foresight.MAX_RECORDS} records") for line in learns)
