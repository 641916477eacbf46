"""Assessments of MLflow; each case says which answer must come out as chosen. Real traces: test_traces.py."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from core.errors import BadFeedback, BadParams
from core.plugins import make
from feedback import revisions, store
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, TraceContent
from feedback.sources.mlflow_assessments import COMPARED_WITH, MlflowAssessments
from feedback.votes import effective
from tests.feedback.examples import chat

ASKED = {"messages": [{"role": "user", "content": "Where is my parcel?"}], "temperature": 0.7}
COMPLETION = {"choices": [{"message": {"role": "assistant", "content": "On Monday."}}]}


class FewTraces:
    """Traces in memory."""

    def __init__(
        self, assessments: Mapping[str, Sequence[Mapping[str, Any]]], content: dict[str, TraceContent]
    ) -> None:
        self._assessments = assessments
        self._content = content

    def assessed(self, experiments: Sequence[str], condition: str) -> Iterator[Mapping[str, Any]]:
        assert (experiments, condition) == (("app",), "")
        for trace_id, assessments in self._assessments.items():
            yield {"trace_id": trace_id, "assessments": assessments}

    def content(self, trace_id: str, span_id: str | None) -> TraceContent | None:
        return self._content.get(span_id or trace_id)


CONTENT = {
    "t1": TraceContent(ASKED, COMPLETION),
    "t2": TraceContent(ASKED, "Soon."),
    "t3": TraceContent({"question": "And my lamp?"}, {"answer": "Here."}),
    "span": TraceContent({"query": "Which shop?"}, "Leeds"),
}


def said(value: Any, identity: str = "a1", name: str = "ok", **fields: Any) -> dict[str, Any]:
    source = {"source_type": fields.pop("who", "HUMAN"), "source_id": fields.pop("by", "ana@example.org")}
    times = {"create_time": "2026-01-02T03:04:05Z", "last_update_time": "2026-01-02T03:04:05Z"}
    part = {fields.pop("part", "feedback"): {"value": value}}
    return {
        "assessment_id": identity,
        "assessment_name": name,
        "source": source,
        **times,
        **part,
        "valid": True,
        **fields,
    }


def source(
    assessments: Mapping[str, Sequence[Mapping[str, Any]]], content: dict[str, TraceContent] = CONTENT, **knobs: Any
) -> MlflowAssessments:
    built = make("feedback.sources", "mlflow_assessments", {"experiments": ["app"], **knobs})
    assert isinstance(built, MlflowAssessments)
    return built.reading(lambda address: FewTraces(assessments, content))


def read(*assessments: dict[str, Any], trace: str = "t1", **knobs: Any) -> list[FeedbackEvent | RejectedRecord]:
    return list(source({trace: assessments}, **knobs).read(Intake(round=2, seed=0)))


def events(*assessments: dict[str, Any], trace: str = "t1", **knobs: Any) -> list[FeedbackEvent]:
    records = read(*assessments, trace=trace, **knobs)
    assert all(isinstance(record, FeedbackEvent) for record in records), records
    return [record for record in records if isinstance(record, FeedbackEvent)]


@pytest.mark.parametrize(("value", "score"), [(True, 1), (False, 0)])
def test_a_boolean_is_a_thumb(value: bool, score: int) -> None:
    [event] = events(said(value, rationale="Clear."))
    [judgement] = event.judgements
    assert (event.kind, judgement.criterion, judgement.scores, judgement.rationale) == (
        "binary",
        "ok",
        (score,),
        "Clear.",
    )
    assert event.prompt == chat("Where is my parcel?")
    assert (event.responses[0].text, event.responses[0].response_id) == ("On Monday.", "t1")
    assert (event.annotator_id, event.annotator_type, event.round) == ("ana@example.org", "human", 2)


def test_a_boolean_of_which_true_is_bad() -> None:
    [event] = events(
        said(True, name="toxic"), questions={"toxic": {"use": "thumb", "values": {True: "bad", False: "good"}}}
    )
    assert event.judgements[0].scores == (0,)


def test_a_number_needs_its_scale() -> None:
    scales = {"help": {"use": "rating", "scale": [1, 5]}, "errors": {"use": "rating", "scale": [10, 0]}}
    helpful, errors = events(said(4.0, name="help"), said(3, "a2", "errors"), questions=scales)
    assert (helpful.kind, helpful.judgements[0].scores) == ("rating", (4,))
    assert errors.judgements[0].scores == (7,), "10 is the worst"
    [rejected] = read(said(4.0, name="help"))
    assert isinstance(rejected, RejectedRecord)
    assert rejected.where == "t1/a1"
    assert rejected.reason.startswith("help is 4.0, and its direction is not known; set questions")


def test_a_text_is_a_label() -> None:
    [event] = events(said("yes"))
    assert (event.kind, event.judgements[0].label) == ("label", "yes")


def test_an_expected_response_is_a_correction() -> None:
    [event] = events(said("On Monday at ten.", name="expected_response", part="expectation"))
    assert [(answer.text, answer.parent_ix) for answer in event.responses] == [
        ("On Monday.", None),
        ("On Monday at ten.", 0),
    ]
    facts = {"serialization_format": "JSON_FORMAT", "value": '["Monday", "ten"]'}
    [label] = events(said(None, name="expected_facts", part="other") | {"expectation": {"serialized_value": facts}})
    assert (label.kind, label.judgements[0].label) == ("label", "Monday, ten")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("better", (1, 2)), ("worse", (2, 1)), (True, (1, 2)), (False, (2, 1)), ("tie", "tie"), ("skip", "skip")],
)
def test_a_pair_of_traces(value: Any, expected: Any) -> None:
    [event] = events(said(value, metadata={COMPARED_WITH: "t2"}))
    assert (event.kind, [answer.text for answer in event.responses]) == ("comparison", ["On Monday.", "Soon."])
    judgement = event.judgements[0]
    assert (judgement.criterion, judgement.ranks or judgement.outcome) == ("overall", expected)


def test_an_override_supersedes_what_it_overrides() -> None:
    chain = [said(True, valid=False), said(False, "a2", overrides="a1", valid=False), said(True, "a3", overrides="a2")]
    first, second, third = events(*chain)
    assert [event.supersedes for event in (first, second, third)] == [None, first.feedback_id, second.feedback_id]
    assert [event.source_id for event in effective([first, second, third])] == ["a3/thumb"]
    [before] = events(said(True))
    assert before == first, "an event does not change when it is overridden"


def test_a_judge_model_that_a_person_overrides_does_not_count() -> None:
    judge = said(True, who="LLM_JUDGE", by="gpt", valid=False)
    model, person = events(judge, said(False, "a2", overrides="a1"))
    assert (model.annotator_type, person.annotator_type) == ("ai", "human")
    assert effective([model, person]) == [person]


@pytest.mark.parametrize("stated", [{"valid": False}, {"valid": None}])
def test_a_person_whom_a_judge_model_overrides_does_not_count(stated: dict[str, Any]) -> None:
    person, judge = said(True) | stated, said(False, "a2", overrides="a1", who="LLM_JUDGE", by="gpt")
    assert read(person, judge) == []


def test_a_value_that_is_changed_in_place_corrects_the_stored_event(tmp_path: Any) -> None:
    for round, value in enumerate((True, False, False)):
        state = said(value, last_update_time=f"2026-01-0{2 + value}T00:00:00Z" if value else "2026-01-05T00:00:00Z")
        corrected = revisions.corrected(tmp_path, events(state), round)
        assert store.append(tmp_path, corrected, round).changed == ()
    [event] = effective(store.events(tmp_path))
    assert event.judgements[0].scores == (0,)


def test_names_and_source_types_select_assessments() -> None:
    given = [said(True), said(True, "a2", "other"), said(True, "a3", who="LLM_JUDGE"), said(True, "a4", who="CODE")]
    issue = {"assessment_id": "a5", "assessment_name": "issue", "source": {"source_type": "HUMAN"}, "issue": {}}
    assert [event.source_id for event in events(*given, issue)] == ["a1/thumb", "a2/thumb"]
    assert [event.source_id for event in events(*given, names=["ok"])] == ["a1/thumb"]
    kinds = [
        event.annotator_type for event in events(*given, names=["ok"], source_types=["HUMAN", "LLM_JUDGE", "CODE"])
    ]
    assert kinds == ["human", "ai", "rule"]


def test_somebody_who_is_not_named_is_unknown() -> None:
    assert [event.annotator_id for event in events(said(True, by="default"), said(True, "a2", by=None))] == [
        "unknown"
    ] * 2


def test_an_assessment_of_a_span_is_about_what_the_span_did() -> None:
    [event] = events(said(True, span_id="span"))
    assert (event.prompt, event.responses[0].text) == (chat("Which shop?"), "Leeds")


@pytest.mark.parametrize(
    ("inputs", "outputs", "knobs"),
    [
        ({"question": "Q?"}, {"answer": "A"}, {}),
        ("Q?", "A", {}),
        ({"whatever": "Q?"}, {"whatever": "A"}, {}),
        ({"messages": [{"role": "user", "content": "Q?"}]}, {"messages": [{"role": "assistant", "content": "A"}]}, {}),
        ({"x": {"y": "Q?"}, "z": 1}, {"x": {"y": "A"}, "z": 1}, {"prompt": "x.y", "answer": "x.y"}),
    ],
)
def test_where_prompt_and_answer_are(inputs: Any, outputs: Any, knobs: dict[str, str]) -> None:
    built = source({"t1": [said(True)]}, {"t1": TraceContent(inputs, outputs)}, **knobs)
    [event] = built.read(Intake(0, 0))
    assert isinstance(event, FeedbackEvent), event
    assert (event.prompt, event.responses[0].text) == (chat("Q?"), "A")


@pytest.mark.parametrize(
    ("assessment", "trace", "expected"),
    [
        (said(True), "t9", "there is no trace t9"),
        (said("better", metadata={COMPARED_WITH: "t3"}), "t1", "trace t3 has another prompt"),
        (said("more", metadata={COMPARED_WITH: "t2"}), "t1", "ok is 'more', expected better, true, worse, false, tie"),
        (said(None) | {"feedback": {"error": {"error_code": "TIMEOUT"}}}, "t1", "the assessment is an error"),
    ],
)
def test_an_unusable_assessment_has_a_reason(assessment: dict[str, Any], trace: str, expected: str) -> None:
    [rejected] = read(assessment, trace=trace)
    assert isinstance(rejected, RejectedRecord)
    assert rejected.reason.startswith(expected)


def test_a_trace_of_another_shape_names_its_fields_and_the_knob() -> None:
    built = source({"t1": [said(True)]}, {"t1": TraceContent({"x": 1, "y": 2}, "A")})
    [rejected] = built.read(Intake(0, 0))
    assert isinstance(rejected, RejectedRecord)
    assert rejected.reason == "inputs of the trace have the fields x, y, expected a text; set `prompt` to a path"


def test_a_further_field_that_looks_like_a_part_of_the_prompt_is_not_left_out() -> None:
    content = {"t1": TraceContent({"question": "Q?", "context": "Leeds"}, "A")}
    [rejected] = source({"t1": [said(True)]}, content).read(Intake(0, 0))
    assert isinstance(rejected, RejectedRecord)
    assert rejected.reason.startswith("context in the inputs looks like a part of the prompt; set `prompt`")
    [event] = source({"t1": [said(True)]}, content, prompt="question").read(Intake(0, 0))
    assert isinstance(event, FeedbackEvent)
    assert event.prompt == chat("Q?")


def test_native_assessments_are_rebuilt() -> None:
    given = said(True, metadata={"page": "3"}, rationale="Clear.")
    [event] = events(given)
    kept: Any = event.extra["assessment"]
    assert kept | {"valid": True} == given
    assert event.extra["trace_id"] == "t1"


def test_the_fingerprint_changes_with_every_change() -> None:
    states = [
        [said(True)],
        [said(True), said(True, "a2")],
        [said(True, last_update_time="2026-02-02T00:00:00Z")],
    ]
    assert len({source({"t1": state}).fingerprint() for state in states}) == len(states)
    assert source({"t1": states[0]}).fingerprint() == source({"t1": states[0]}).fingerprint()


def test_it_needs_experiments_and_access_to_mlflow() -> None:
    with pytest.raises(BadParams, match="experiments"):
        source({}, experiments=[])
    with pytest.raises(BadFeedback, match="needs MLflow"):
        MlflowAssessments(experiments=("app",)).check()
