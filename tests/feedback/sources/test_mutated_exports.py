"""Exports in which one value is replaced by any other: every record is an event or has a reason, twice the same."""

import copy
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback.questions import Question
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, Source, TraceContent
from feedback.sources.argilla import Argilla
from feedback.sources.label_studio import LabelStudio
from feedback.sources.mlflow_assessments import COMPARED_WITH
from feedback.sources.oasst import OASST
from tests.feedback.sources import test_argilla, test_label_studio, test_mlflow_assessments, test_oasst

REPLIES = [{"value": "second", "rank": 1}, {"value": "first", "rank": 2}]
CHOICE = {"choices": ["yes"]}
QUESTIONS = {
    "verdict": Question(use="thumb", values={"yes": "good", "no": "bad"}),
    "order": Question(use="ranking"),
}


def label_studio(path: Path) -> Source:
    return LabelStudio(path=path, prompt="prompt", answers=test_label_studio.ANSWERS, questions=QUESTIONS)


def argilla(path: Path) -> Source:
    return Argilla(path=path, prompt="prompt", answers=("first", "second"), questions=QUESTIONS)


def oasst(path: Path) -> Source:
    return OASST(path=path)


EXPORTS: list[tuple[Callable[[Path], Source], Any]] = [
    (
        label_studio,
        test_label_studio.task(
            test_label_studio.annotation(
                test_label_studio.pair("left"),
                test_label_studio.result("verdict", "choices", CHOICE, "a"),
                test_label_studio.result("stars", "rating", {"rating": 4}, "b"),
            )
        ),
    ),
    (argilla, test_argilla.flat("order", (REPLIES, test_argilla.ANA, "submitted"), ("first", "bo", "draft"))),
    (argilla, {"id": "1", "fields": test_argilla.FIELDS, "responses": {"order": [{"value": REPLIES, "user_id": "u"}]}}),
    (argilla, {**test_argilla.FIELDS, "order": {"user_id": ["u"], "value": [REPLIES], "status": ["submitted"]}}),
    (
        oasst,
        test_oasst.tree(
            test_oasst.answer("A", 0, synthetic=False),
            test_oasst.answer("B", 1),
            events={"ranking": [{"user_id": "u", "ranked_message_ids": ["A", "B"], "not_rankable": False}]},
        ),
    ),
    (oasst, test_oasst.message("Why?", "prompter", parent_id=None)),
]

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**12) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "value", "rank"]), inner),
    max_leaves=3,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a record."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, child in inner for place in places(child, (*at, key)))]


def replaced(record: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    changed = copy.deepcopy(record)
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    return changed


@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export[0].__name__)
@given(data=st.data())
def test_no_value_makes_reading_crash(export: tuple[Callable[[Path], Source], Any], data: st.DataObject) -> None:
    make, record = export
    changed = replaced(record, data.draw(st.sampled_from(places(record))), data.draw(_json))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.jsonl"
        path.write_text(json.dumps(record) + "\n" + json.dumps(changed) + "\n")
        first, second = (list(make(path).read(Intake(0, 0))) for _ in range(2))
    assert first == second
    assert all(isinstance(one, FeedbackEvent | RejectedRecord) for one in first)


ASSESSMENT = test_mlflow_assessments.said("better", rationale="Clear.", metadata={COMPARED_WITH: "t2"}, overrides="a0")


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_no_assessment_makes_reading_crash(data: st.DataObject) -> None:
    asked = data.draw(st.sampled_from(places(ASSESSMENT)[1:]))
    assessment = replaced(ASSESSMENT, asked, data.draw(_json))
    content = {**test_mlflow_assessments.CONTENT, "t1": TraceContent(data.draw(_json), data.draw(_json))}
    source = test_mlflow_assessments.source({"t1": [assessment]}, content)
    assert list(source.read(Intake(0, 0))) == list(source.read(Intake(0, 0)))
