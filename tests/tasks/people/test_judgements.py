"""What a judgement at the label page becomes: one event, or a refusal that says why."""

from typing import Any

import pytest

from core.errors import BadFeedback
from feedback.labels import LabelKind
from feedback.store.database import Database
from tasks.state.workspace import Workspace
from tests.tasks.people.desk import PLAIN, Desk, fill, side, stored


def test_a_comparison_becomes_an_event_with_all_that_was_said(workspace: Workspace, db: Database) -> None:
    fill(workspace, 1)
    desk = Desk(workspace, db, settings=PLAIN.model_copy(update={"criteria": ("polite", "correct")}))
    task = desk.next()
    assert (task.kind, task.prompt[0].content, task.criteria) == ("comparison", "Question 0?", ("polite", "correct"))
    assert sorted(task.answers) == ["No.", "Yes."]
    receipt = desk.judge(
        task,
        preferred=side(task, "No."),
        strength=2,
        criteria={"polite": "tie", "correct": side(task, "Yes.")},
        reason="It is shorter.",
        duration_ms=4200,
        guideline_version="0123456789ab",
    )
    [event] = stored(db)
    assert receipt == (event.feedback_id, False, False)
    assert [answer.text for answer in event.responses] == ["Yes.", "No."]
    assert [answer.model_version for answer in event.responses] == ["7", "7"]
    assert event.shown_order == tuple(["Yes.", "No."].index(text) for text in task.answers)
    overall, polite, correct = event.judgements
    assert (overall.ranks, overall.strength, overall.strength_max) == ((2, 1), 2, 3)
    assert (overall.rationale, polite.outcome, correct.ranks) == ("It is shorter.", "tie", (1, 2))
    assert (event.kind, event.source, event.batch_id) == ("comparison", "label", "label:desk")
    assert (event.annotator_id, event.duration_ms, event.guideline_version) == ("ana", 4200, "0123456789ab")


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"preferred": "tie"}, "tie"),
        ({"preferred": "both_good"}, "tie_both_good"),
        ({"preferred": "both_bad"}, "tie_both_bad"),
        ({"outcome": "skip"}, "skip"),
        ({"outcome": "cannot_judge"}, "cannot_judge"),
    ],
)
def test_who_prefers_no_answer_says_why(workspace: Workspace, db: Database, said: dict[str, str], outcome: str) -> None:
    fill(workspace, 1)
    desk = Desk(workspace, db)
    desk.judge(desk.next(), **said)
    [event] = stored(db)
    assert (event.judgements[0].outcome, event.judgements[0].ranks) == (outcome, None)


def test_a_thumb_a_rating_a_critique_and_what_is_written_are_events_of_their_kind(
    workspace: Workspace, db: Database
) -> None:
    said: dict[LabelKind, dict[str, Any]] = {
        "binary": {"thumb": "up"},
        "rating": {"rating": 4},
        "critique": {"critique": "Too short."},
        "correction": {"correction": "Yes, of course."},
        "demonstration": {"demonstration": "Certainly."},
    }
    desk = Desk(workspace, db)
    for kind, judgement in said.items():
        fill(workspace, 1, kind, name=kind)
        task = desk.next()
        assert (task.kind, len(task.answers)) == (kind, 0 if kind == "demonstration" else 1)
        assert task.scale == ((1, 5) if kind == "rating" else None)
        desk.judge(task, **judgement, reason="Because.")
    thumb, rating, critique, correction, demonstration = stored(db)
    assert [event.kind for event in stored(db)] == list(said)
    assert (thumb.judgements[0].scores, thumb.judgements[0].rationale) == ((1.0,), "Because.")
    assert rating.judgements[0].scores == (4.0,)
    assert (rating.judgements[0].scale_min, rating.judgements[0].scale_max) == (1, 5)
    assert (critique.judgements[0].rationale, critique.extra["reason"]) == ("Too short.", "Because.")
    assert [(answer.text, answer.origin, answer.parent_ix) for answer in correction.responses] == [
        ("Yes.", "model", None),
        ("Yes, of course.", "human_edit", 0),
    ]
    assert [(answer.text, answer.origin) for answer in demonstration.responses] == [("Certainly.", "human")]
    assert correction.extra["reason"] == demonstration.extra["reason"] == "Because."


def test_an_edit_beside_a_comparison_is_a_correction_of_the_preferred_answer(
    workspace: Workspace, db: Database
) -> None:
    fill(workspace, 1)
    desk = Desk(workspace, db)
    task = desk.next()
    assert task.editable
    desk.judge(task, preferred=side(task, "No."), correction="No, sorry.")
    comparison, edit = stored(db)
    assert (comparison.kind, edit.kind) == ("comparison", "correction")
    assert [answer.text for answer in edit.responses] == ["No.", "No, sorry."]


@pytest.mark.parametrize(
    ("kind", "said", "message"),
    [
        ("comparison", {"preferred": "lft"}, "preferred is 'lft', expected left, right, tie, both_good, both_bad"),
        ("comparison", {"outcome": "pass"}, "outcome is 'pass', expected skip, cannot_judge"),
        ("comparison", {}, "preferred is missing"),
        ("comparison", {"thumb": "up"}, "thumb is not asked of a comparison"),
        ("comparison", {"outcome": "skip", "preferred": "left"}, "expected one of them"),
        ("comparison", {"preferred": "tie", "strength": 1}, "strength is that of a preference"),
        ("comparison", {"preferred": "tie", "correction": "Maybe."}, "corrected is missing"),
        ("comparison", {"preferred": "left", "criteria": {"rude": "left"}}, "criteria has 'rude', expected polite"),
        ("comparison", {"preferred": "left", "criteria": {"polite": "up"}}, "criteria.polite is 'up'"),
        ("binary", {"thumb": "sideways"}, "thumb is 'sideways', expected up, down"),
        ("rating", {"rating": 6}, "rating is 6, expected a whole number from 1 to 5"),
        ("correction", {"correction": "yes. "}, "correction is the answer as it was"),
        ("demonstration", {"demonstration": "  "}, "demonstration is empty"),
        ("critique", {"critique": "Bad.", "criteria": {"polite": 1}}, "criteria are not asked of a critique"),
    ],
)
def test_a_judgement_that_does_not_fit_is_refused_and_the_task_stays_open(
    workspace: Workspace, db: Database, kind: LabelKind, said: dict[str, Any], message: str
) -> None:
    fill(workspace, 1, kind)
    desk = Desk(workspace, db, settings=PLAIN.model_copy(update={"criteria": ("polite",)}))
    task = desk.next()
    with pytest.raises(BadFeedback, match=message):
        desk.judge(task, **said)
    assert stored(db) == []
    assert desk.next().id == task.id
