"""A round that could learn nothing from the feedback at hand is refused at opening, with the knob to set."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadFeedback
from feedback.schema import Message
from models.policy import ModelSettings, build
from tasks.rounds import foresight, opening
from tasks.rounds.plan import plan
from tasks.state.handing_in import hand_in
from tasks.state.workspace import Workspace
from tasks.tools.receiving import receive
from tests.feedback.examples import vote
from tests.tasks.steps.hand_written import SHAPE
from tests.tasks.steps.test_ingest import REFUSES_SYSTEM

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


def test_events_in_the_feedback_database_are_looked_at(workspace: Workspace) -> None:
    events = [vote(str(number), criterion="Overall", question=f"Question {number}?") for number in range(3)]
    receive(workspace, events, "ana")
    with pytest.raises(BadFeedback, match=r"set curate\.criterion"):
        checked(workspace)
    checked(workspace, "curate.criterion=Overall", "curate.chosen_as_demonstrations=true")


def test_what_the_chat_template_refuses_teaches_nothing_wherever_it_waits(workspace: Workspace, tmp_path: Path) -> None:
    policy = build(ModelSettings.model_validate(SHAPE), ["hello"])
    policy.tokenizer.chat_template = REFUSES_SYSTEM
    policy.save(tmp_path / "base")
    base = f"model.base={tmp_path / 'base'}"
    refused = vote("1").model_copy(update={"prompt": (Message(role="system", content="Be brief."), *vote("1").prompt)})
    receive(workspace, [refused], "ana")
    with pytest.raises(BadFeedback, match="no system turns"):
        checked(workspace, base)
    receive(workspace, [vote("2", question="And the lamp?")], "ana")
    checked(workspace, base)
    lines = foresight.foresee(workspace, opening.effective(workspace, [NO_SOURCE, base])).lines()
    assert [line for line in lines if line.startswith("nothing from 1 events: ")] != []
