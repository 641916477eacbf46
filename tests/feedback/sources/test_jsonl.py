import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import BadFeedback
from feedback import canonical
from feedback.checks import problem
from feedback.schema import FeedbackEvent, RejectedRecord, prompt_id
from feedback.sources import Intake
from feedback.sources.jsonl import JSONL
from tests.feedback.examples import chat, valid_events, vote

PREFERENCE = {"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}
CANONICAL = {
    "kind": "comparison",
    "prompt": [{"role": "user", "content": "2 + 2?"}],
    "responses": ["4", "5"],
    "judgements": [{"ranks": [1, 2]}],
}


def read(folder: Path, *records: dict[str, Any], round: int = 3) -> list[FeedbackEvent | RejectedRecord]:
    file = folder / "votes.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return list(JSONL(path=file).read(Intake(round, seed=0)))


def only_event(folder: Path, record: dict[str, Any]) -> FeedbackEvent:
    [result] = read(folder, record)
    assert isinstance(result, FeedbackEvent), result
    return result


def reason(folder: Path, record: dict[str, Any]) -> str:
    [result] = read(folder, record)
    assert isinstance(result, RejectedRecord), result
    assert (result.source, result.where, json.loads(result.record)) == ("votes", "votes.jsonl:1", record)
    return result.reason


def test_optional_fields_are_filled_in(tmp_path: Path) -> None:
    result = only_event(tmp_path, CANONICAL)
    assert result.prompt_id == result.prompt_group == prompt_id(chat("2 + 2?"))
    assert (result.source, result.round, len(result.feedback_id)) == ("votes", 3, 32)
    assert [response.text for response in result.responses] == ["4", "5"]


def test_an_event_written_as_json_comes_back_the_same(tmp_path: Path) -> None:
    stored = vote("17", annotator_id="ann", created_at="2026-01-02T03:04:05Z", extra={"page": 3}, round=3)
    again = only_event(tmp_path, json.loads(stored.model_dump_json()))
    assert again.model_copy(update={"source_sha256": None}) == stored


def test_a_preference_in_three_fields(tmp_path: Path) -> None:
    result = only_event(tmp_path, PREFERENCE)
    assert result.kind == "comparison"
    assert [response.text for response in result.responses] == ["4", "5"]
    assert [judgement.ranks for judgement in result.judgements] == [(1, 2)]


def test_a_preference_as_conversations(tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "2 + 2?"},
    ]
    chosen, rejected = ([{"role": "assistant", "content": text}] for text in ("4", "5"))
    result = only_event(tmp_path, {"prompt": turns, "chosen": chosen, "rejected": rejected})
    assert result.prompt == chat("Hi", "Hello", "2 + 2?")
    assert [response.text for response in result.responses] == ["4", "5"]


def test_a_demonstration_in_two_fields(tmp_path: Path) -> None:
    result = only_event(tmp_path, {"prompt": "2 + 2?", "completion": "4", "annotator_id": "ann", "topic": "sums"})
    assert (result.kind, result.responses[0].text, result.annotator_id) == ("demonstration", "4", "ann")
    assert result.extra == {"topic": "sums"}, "a key without a column is kept"


def test_a_record_has_the_same_id_in_another_file(tmp_path: Path) -> None:
    first = only_event(tmp_path, PREFERENCE)
    (tmp_path / "more.jsonl").write_text(json.dumps(PREFERENCE) + "\n")
    [again] = JSONL(path=tmp_path / "more.jsonl").read(Intake(4, seed=0))
    assert isinstance(again, FeedbackEvent)
    assert again.feedback_id == first.feedback_id


def test_a_stated_source_id_is_an_id_within_its_source(tmp_path: Path) -> None:
    records = read(
        tmp_path,
        PREFERENCE | {"source_id": "1"},
        PREFERENCE | {"source_id": "1", "chosen": "four"},
        PREFERENCE | {"source_id": "1", "source": "elsewhere"},
        PREFERENCE | {"source_id": "1", "annotator_id": "ann"},
    )
    ids = [record.feedback_id for record in records if isinstance(record, FeedbackEvent)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_a_folder_is_read_in_the_order_of_its_files(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(PREFERENCE | {"chosen": name}) + "\n")
    (tmp_path / "notes.txt").write_text("no feedback")
    result = JSONL(path=tmp_path).read(Intake(0, seed=0))
    assert [event.source for event in result if isinstance(event, FeedbackEvent)] == ["a", "b"]


def test_check_raises_for_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadFeedback, match="no such file or folder"):
        JSONL(path=tmp_path / "none.jsonl").check()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt": " \n"}, "prompt is empty"),
        ({"prompt": []}, "prompt is empty"),
        ({"prompt": 7}, "prompt is neither a string nor a list of messages"),
        (
            {"prompt": [{"role": "human", "content": "x"}]},
            "prompt[0].role is invalid, expected 'system', 'user' or 'assistant'",
        ),
        ({"prompt": [{"role": "user"}]}, "prompt[0].content is missing"),
        ({"prompt": [{"role": "user", "content": " "}]}, "prompt[0] is empty"),
        (
            {"prompt": [{"role": "assistant", "content": "x"}]},
            "prompt ends with an assistant turn, expected one of the user",
        ),
        ({"prompt": "\ud800"}, "prompt[0].content contains a lone surrogate"),
        ({"chosen": True}, "chosen is neither a string nor a list of messages"),
        ({"chosen": "5"}, "chosen equals rejected, expected two different answers"),
        ({"rejected": ""}, "rejected is empty"),
        ({"created_at": "yesterday"}, "created_at is invalid, expected a valid datetime or date"),
        ({"chosen": "FIVE", "rejected": "five "}, "chosen equals rejected, expected two different answers"),
        ({"annotator_id": True}, "annotator_id is not a string"),
        ({"schema_version": 3}, "schema_version is 3, expected at most 2"),
    ],
)
def test_a_rejected_preference_has_a_reason(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    assert reason(tmp_path, PREFERENCE | change).startswith(expected)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"kind": "opinion"}, "kind is invalid, expected 'demonstration', 'comparison'"),
        ({"responses": "4"}, "responses is not a list"),
        ({"responses": []}, "responses is empty"),
        ({"responses": ["4", True]}, "responses[1] is neither a string nor a list of messages"),
        ({"responses": ["4", {"model": "m"}]}, "responses[1].messages is missing"),
        ({"responses": ["4", "4"]}, "judgements[0]: one of two answers with the same text is the winner"),
        ({"responses": ["4", "5", "6"]}, "judgements[0].ranks has 2 values, expected 3"),
        (
            {"responses": ["4", [{"role": "user", "content": "5"}]]},
            "responses[1] is a conversation that does not begin with the prompt",
        ),
        ({"judgements": []}, "judgements is empty"),
        ({"judgements": [{}]}, "judgements[0].ranks: expected at least two ranks"),
        ({"judgements": [{"ranks": [1, None]}]}, "judgements[0].ranks: expected at least two ranks"),
        ({"judgements": [{"ranks": [True, False]}]}, "judgements[0].ranks[0] is true, expected a whole number from 1"),
        ({"judgements": [{"ranks": [1, 0]}]}, "judgements[0].ranks[1] is 0, expected a whole number from 1"),
        ({"judgements": [{"ranks": [-1, 1]}]}, "judgements[0].ranks[0] is -1, expected a whole number from 1"),
        ({"judgements": [{"ranks": [1, 1.5]}]}, "judgements[0].ranks[1] is 1.5, expected a whole number from 1"),
        ({"judgements": [{"ranks": [1, "2"]}]}, 'judgements[0].ranks[1] is "2", expected a whole number from 1'),
        (
            {"judgements": [{"outcome": "tie", "ranks": [1, 2]}]},
            "judgements[0]: outcome tie with ranks that name a winner",
        ),
        (
            {"judgements": [{"ranks": [1, 2]}, {"ranks": [2, 1]}]},
            "judgements[0]: two different verdicts by the criterion 'overall'",
        ),
        (
            {"judgements": [{"ranks": [1, 2]}, {"outcome": "tie"}]},
            "judgements[0]: two different verdicts by the criterion 'overall'",
        ),
        (
            {"responses": ["4", [{"role": "assistant", "content": "5"}, {"role": "assistant", "content": "6"}]]},
            "responses[1] has 2 turns after the common beginning of all answers, expected one",
        ),
        (
            {"judgements": [{"scores": [float("nan"), 1]}]},
            "judgements[0].scores[0] is invalid, expected a finite number",
        ),
        ({"kind": "correction"}, "responses: expected one with the parent_ix"),
        ({"prompt_id": "q17"}, "prompt_id is not the expected hash of the normalised prompt"),
        ({"anotator": "ann"}, "anotator is not a field of the canonical form; put it into `extra`"),
    ],
)
def test_a_rejected_canonical_record_has_a_reason(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    [result] = read(tmp_path, CANONICAL | change)
    assert isinstance(result, RejectedRecord)
    assert result.reason.startswith(expected)


def test_the_reason_names_a_missing_field(tmp_path: Path) -> None:
    for missing in ("prompt", "chosen", "rejected"):
        assert (
            reason(tmp_path, {k: v for k, v in PREFERENCE.items() if k != missing})
            == f"{missing} is missing, expected one of the forms in docs/feedback.md"
        )
    assert (
        reason(tmp_path, {"prompt": "2 + 2?"}) == "responses is missing, expected one of the forms in docs/feedback.md"
    )
    assert reason(tmp_path, {"prompt": "2 + 2?", "responses": ["4"]}) == "kind is missing, expected a value"


@pytest.mark.parametrize(("label", "score"), [(False, 0.0), (True, 1.0), ("False", 0.0), (1, 1.0)])
def test_an_answer_with_a_label_is_a_thumb_and_no_demonstration(tmp_path: Path, label: object, score: float) -> None:
    result = only_event(tmp_path, {"prompt": "2 + 2?", "completion": "5", "label": label})
    assert (result.kind, result.judgements[0].scores) == ("binary", (score,))


def test_an_answer_whose_label_is_null_is_refused(tmp_path: Path) -> None:
    assert reason(tmp_path, {"prompt": "2 + 2?", "completion": "5", "label": None}).startswith("label is None")


def test_lines_after_a_bad_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "votes.jsonl").write_text('{"prompt"\n' + json.dumps(PREFERENCE) + "\n")
    bad, good = JSONL(path=tmp_path / "votes.jsonl").read(Intake(0, seed=0))
    assert isinstance(bad, RejectedRecord)
    assert (bad.where, bad.record) == ("votes.jsonl:1", '{"prompt"')
    assert isinstance(good, FeedbackEvent)


def accepted_or_reason(record: dict[str, Any]) -> FeedbackEvent | str:
    try:
        return canonical.event(record, {"source": "s", "source_id": "1"})
    except BadFeedback as error:
        return str(error)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(valid_events())
def test_any_event_is_accepted_or_rejected_with_a_reason(event: FeedbackEvent) -> None:
    result = accepted_or_reason(event.model_dump(mode="json", exclude={"prompt_id"}))
    assert result
    if isinstance(result, FeedbackEvent):
        assert problem(result) is None
        assert result.feedback_id == event.feedback_id


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4), lambda inner: st.lists(inner, max_size=3)
)
_keys = st.sampled_from(
    ["prompt", "chosen", "rejected", "completion", "kind", "responses", "judgements", "flags", "extra"]
)


@settings(deadline=None)
@given(st.dictionaries(_keys, _json))
def test_no_record_makes_reading_crash(record: dict[str, Any]) -> None:
    assert accepted_or_reason(record)
