"""Label Studio's JSON and JSON-MIN; each case says which answer must come out as chosen."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadFeedback, BadParams
from core.plugins import make
from feedback import revisions, store
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from feedback.sources.label_studio import LabelStudio
from feedback.votes import effective
from tests.feedback.examples import chat

DATA = {"prompt": "Where is my parcel?", "text_a": "On Monday.", "text_b": "Soon.", "shop": "Leeds"}
ANSWERS = {"a": "text_a", "b": "text_b"}
CONFIG = """<View>
  <Text name="q" value="$prompt"/>
  <Pairwise name="pw" toName="a,b"/>
  <Text name="a" value="$text_a"/><Text name="b" value="$text_b"/>
  <Rating name="clear" toName="b" maxRating="7"/>
  <Choices name="verdict" toName="a"><Choice value="yes"/></Choices>
  <TextArea name="why" toName="q"/>
</View>"""


def result(name: str, kind: str, value: object, to: str = "a,b") -> dict[str, Any]:
    return {"id": "x1", "from_name": name, "to_name": to, "type": kind, "value": value}


def pair(side: str, to: str = "a,b") -> dict[str, Any]:
    return result("pw", "pairwise", {"selected": side}, to)


def annotation(*results: dict[str, Any], identity: int = 17, **fields: Any) -> dict[str, Any]:
    given = {"id": identity, "completed_by": 3, "result": list(results), "was_cancelled": False, "ground_truth": False}
    times = {"created_at": "2024-03-01T10:00:00Z", "updated_at": "2024-03-01T10:00:00Z", "lead_time": 4.288}
    return {**given, **times, **fields}


def task(*annotations: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": 1, "data": DATA, "annotations": list(annotations), "predictions": [], **fields}


def source(folder: Path, *tasks: object, **knobs: Any) -> LabelStudio:
    file = folder / "export.json"
    file.write_text(json.dumps(list(tasks), indent=1))
    built = make("feedback.sources", "label_studio", {"path": file, "prompt": "prompt", "answers": ANSWERS, **knobs})
    assert isinstance(built, LabelStudio)
    built.check()
    return built


def read(folder: Path, *tasks: object, **knobs: Any) -> list[FeedbackEvent | RejectedRecord]:
    return list(source(folder, *tasks, **knobs).read(Intake(round=2, seed=0)))


def events(folder: Path, *tasks: object, **knobs: Any) -> list[FeedbackEvent]:
    records = read(folder, *tasks, **knobs)
    assert all(isinstance(record, FeedbackEvent) for record in records), records
    return [record for record in records if isinstance(record, FeedbackEvent)]


def reason(folder: Path, *tasks: object, **knobs: Any) -> str:
    [record] = read(folder, *tasks, **knobs)
    assert isinstance(record, RejectedRecord)
    assert (record.source, record.where) == ("label_studio", "export.json:1")
    return record.reason


def best(event: FeedbackEvent) -> str:
    ranks = event.judgements[0].ranks
    assert ranks is not None
    return event.responses[ranks.index(1)].text


@pytest.mark.parametrize(
    ("side", "to_name", "chosen"),
    [
        ("left", "a,b", "On Monday."),
        ("right", "a,b", "Soon."),
        ("left", "b,a", "Soon."),
        ("right", "b,a", "On Monday."),
    ],
)
def test_left_is_the_first_name_of_the_tag(tmp_path: Path, side: str, to_name: str, chosen: str) -> None:
    [event] = events(tmp_path, task(annotation(pair(side, to_name))))
    assert (event.kind, best(event)) == ("comparison", chosen)
    assert event.prompt == chat("Where is my parcel?")
    assert (event.annotator_id, event.duration_ms, event.source_id) == ("label_studio/3", 4288, "17")


def test_the_order_of_the_knob_does_not_change_the_winner(tmp_path: Path) -> None:
    [event] = events(tmp_path, task(annotation(pair("left"))), answers={"b": "text_b", "a": "text_a"})
    assert best(event) == "On Monday."


def test_the_configuration_names_the_answers(tmp_path: Path) -> None:
    (tmp_path / "config.xml").write_text(CONFIG)
    given = annotation(
        pair("right"),
        result("clear", "rating", {"rating": 6}, "b"),
        result("why", "textarea", {"text": ["Shorter.", "Kinder."]}, "q"),
        result("verdict", "choices", {"choices": ["yes"]}, "a"),
    )
    choice, rating, label = events(tmp_path, task(given), answers={}, config=tmp_path / "config.xml")
    assert (best(choice), choice.judgements[0].rationale) == ("Soon.", "Shorter.\nKinder.")
    [judgement] = rating.judgements
    assert (rating.kind, judgement.criterion, judgement.scores) == ("rating", "clear", (None, 6))
    assert (judgement.scale_min, judgement.scale_max) == (1, 7)
    assert (label.kind, label.judgements[0].label) == ("label", "yes")
    assert [event.duration_ms for event in (choice, rating, label)] == [4288, None, None]


def test_each_annotation_of_a_task_is_an_event_of_its_annotator(tmp_path: Path) -> None:
    people: list[Any] = [3, {"id": 4, "email": "bo@example.org"}, {"email": "cy@example.org"}, None]
    given = [annotation(pair("left"), identity=20 + ix, completed_by=who) for ix, who in enumerate(people)]
    assert [event.annotator_id for event in events(tmp_path, task(*given))] == [
        "label_studio/3",
        "label_studio/4",
        "cy@example.org",
        "unknown",
    ]


def test_a_cancelled_annotation_is_a_skip(tmp_path: Path) -> None:
    [event] = events(tmp_path, task(annotation(was_cancelled=True)))
    assert (event.kind, event.source_id, event.judgements[0].outcome) == ("comparison", "17", "skip")


def test_choices_and_texts_mean_what_the_knob_says(tmp_path: Path) -> None:
    knobs = {
        "verdict": {
            "use": "winner",
            "values": {"A is better": 0, "B is better": 1, "same": "tie", "bad": "tie_both_bad"},
        },
        "edit": {"use": "correction", "answer": 1},
        "stars": {"use": "rating", "scale": [5, 1]},
    }
    given = [
        annotation(result("verdict", "choices", {"choices": [said]}, "q"), identity=ix)
        for ix, said in enumerate(("A is better", "B is better", "same", "bad"))
    ]
    voted = events(tmp_path, task(*given), questions=knobs)
    assert [best(event) for event in voted[:2]] == ["On Monday.", "Soon."]
    assert [event.judgements[0].outcome for event in voted[2:]] == ["tie", "tie_both_bad"]

    edited = result("edit", "textarea", {"text": ["On Monday at ten."]}, "b")
    stars = result("stars", "rating", {"rating": 2}, "a")
    rating, correction = events(tmp_path, task(annotation(edited, stars)), questions=knobs)
    assert rating.judgements[0].scores == (4, None), "1 is the best, so 2 of 5 counts as 4"
    assert [(answer.text, answer.parent_ix) for answer in correction.responses] == [
        ("Soon.", None),
        ("On Monday at ten.", 0),
    ]


def test_json_min(tmp_path: Path) -> None:
    (tmp_path / "config.xml").write_text(CONFIG)
    row = {**DATA, "id": 1, "pw": [{"selected": "right"}], "clear": [{"rating": 6}], "why": "Shorter.", "annotator": 3}
    row |= {"annotation_id": 17, "created_at": "2024-03-01T10:00:00Z", "updated_at": "2024-03-01T10:00:00Z"}
    choice, rating = events(tmp_path, row | {"lead_time": 4.288}, answers={}, config=tmp_path / "config.xml")
    full = events(tmp_path, task(annotation(pair("right"))))[0]
    assert (best(choice), choice.judgements[0].rationale) == ("Soon.", "Shorter.")
    assert (choice.feedback_id, choice.annotator_id) == (full.feedback_id, full.annotator_id)
    assert rating.judgements[0].scores == (None, 6)
    assert reason(tmp_path, row).startswith("JSON-MIN does not say which columns are replies; set `config`")


def test_an_edited_annotation_corrects_the_stored_one(tmp_path: Path) -> None:
    before, after = annotation(pair("left")), annotation(pair("right"), updated_at="2024-03-02T10:00:00Z")
    versions = [task(before), task(before, annotation(pair("left"), identity=18, completed_by=4)), task(after)]
    for round, version in enumerate(versions):
        corrected = revisions.corrected(tmp_path / "store", events(tmp_path, version), round)
        appended = store.append(tmp_path / "store", corrected, round)
        assert appended.changed == ()
    counted = {event.annotator_id: best(event) for event in effective(store.events(tmp_path / "store"))}
    assert counted == {"label_studio/3": "Soon.", "label_studio/4": "On Monday."}
    assert len(store.events(tmp_path / "store")) == 3


def test_what_others_do_in_a_task_does_not_change_an_event(tmp_path: Path) -> None:
    volatile = {
        "updated_at": "2024-05-01T10:00:00Z",
        "total_annotations": 2,
        "predictions": [{"created_ago": "1 hour"}],
    }
    [first] = events(tmp_path, task(annotation(pair("left"), created_ago="1 hour")))
    [again] = events(tmp_path, task(annotation(pair("left"), created_ago="2 hours"), **volatile))
    assert again == first.model_copy(update={"source_sha256": again.source_sha256})


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([pair("both")], "pw is 'both', expected left, right; add it to questions.pw.values"),
        ([pair("left", "a,c")], "pw compares the tags a, c, expected two of a, b"),
        ([result("n", "number", {"number": 3}, "a")], "n judges a, which is no answer; set questions.n"),
        ([result("box", "rectanglelabels", {"x": 1})], "box has a reply of type rectanglelabels"),
        ([result("stars", "rating", {"rating": 9}, "a")], "stars is 9.0, expected a number from 1 to 5"),
        (["left"], "result is not a list of objects"),
    ],
)
def test_an_unusable_annotation_has_a_reason_and_the_others_are_read(
    tmp_path: Path, results: list[Any], expected: str
) -> None:
    bad, good = read(tmp_path, task(annotation(*results), annotation(pair("left"), identity=18)))
    assert isinstance(bad, RejectedRecord)
    assert bad.reason.startswith(expected)
    assert json.loads(bad.record)["annotation"]["id"] == 17
    assert isinstance(good, FeedbackEvent)


def test_unusable_tasks_have_reasons(tmp_path: Path) -> None:
    assert reason(tmp_path, {"prompt": "Why?"}).startswith("annotations is missing, expected a task of Label Studio")
    assert reason(tmp_path, task(annotation(pair("left"), id=None))).startswith("the annotation has no id")
    missing = task(annotation(pair("left"))) | {"data": {"prompt": "Why?"}}
    assert reason(tmp_path, missing).startswith("data.text_a is missing")
    assert read(tmp_path, task()) == []


def test_native_tasks_are_rebuilt(tmp_path: Path) -> None:
    given = task(annotation(pair("left")), project=5, meta={"batch": 2})
    [event] = events(tmp_path, given)
    kept: Any = event.extra
    texts = {"prompt": event.prompt[0].content, "text_a": event.responses[0].text, "text_b": event.responses[1].text}
    rebuilt = {**kept["task"], "data": {**kept["task"]["data"], **texts}, "annotations": [kept["annotation"]]}
    assert {**rebuilt, "predictions": []} == given


def test_knobs_and_files_are_checked(tmp_path: Path) -> None:
    with pytest.raises(BadParams, match="answers is missing"):
        source(tmp_path, answers={})
    with pytest.raises(BadParams, match="a rating needs its scale"):
        source(tmp_path, questions={"stars": {"use": "rating"}})
    with pytest.raises(BadFeedback, match="there is no such file"):
        source(tmp_path, config=tmp_path / "none.xml")
    for text, message in (("<View", "not XML"), ('<View><Text name="a" value="$a"/></View>', "no question is about")):
        (tmp_path / "config.xml").write_text(text)
        with pytest.raises(BadFeedback, match=message):
            source(tmp_path, answers={}, config=tmp_path / "config.xml")


def test_the_fingerprint_is_that_of_export_and_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.xml").write_text(CONFIG)
    built = source(tmp_path, task(), config=tmp_path / "config.xml")
    before = built.fingerprint()
    (tmp_path / "config.xml").write_text(CONFIG + "\n")
    assert built.fingerprint() != before
