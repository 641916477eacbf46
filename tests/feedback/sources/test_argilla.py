"""Exports of Argilla 2 (flat and nested) and 1; each case says which answer must come out as chosen."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import BadFeedback, BadParams
from core.plugins import make
from feedback import revisions, store
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from feedback.sources.argilla import Argilla
from feedback.votes import effective

FIELDS = {"prompt": "Where is my parcel?", "first": "On Monday.", "second": "Soon."}
ANA, BO = "6f1c0c3e-aaaa", "0b7d9a52-bbbb"
VERDICT = {"use": "winner", "values": {"one": 0, "two": 1, "same": "tie"}}


def flat(question: str = "better", *replies: tuple[Any, str, str | None], **others: Any) -> dict[str, Any]:
    """A record as in a data set on the hub: (value, user, status) in parallel lists."""
    values, users, statuses = ([reply[ix] for reply in replies] for ix in range(3))
    about = {"id": "r1", "status": "completed", "_server_id": "s1", "shop": "Leeds", "better.suggestion": "first"}
    columns = {f"{question}.responses": values, f"{question}.responses.users": users}
    return {**about, **FIELDS, **columns, f"{question}.responses.status": statuses, **others}


def source(path: Path, **knobs: Any) -> Argilla:
    built = make(
        "feedback.sources", "argilla", {"path": path, "prompt": "prompt", "answers": ["first", "second"], **knobs}
    )
    assert isinstance(built, Argilla)
    return built


def read(folder: Path, *records: dict[str, Any], **knobs: Any) -> list[FeedbackEvent | RejectedRecord]:
    file = folder / "records.json"
    file.write_text(json.dumps(list(records)))
    return list(source(file, **knobs).read(Intake(round=2, seed=0)))


def events(folder: Path, *records: dict[str, Any], **knobs: Any) -> list[FeedbackEvent]:
    read_ = read(folder, *records, **knobs)
    assert all(isinstance(record, FeedbackEvent) for record in read_), read_
    return [record for record in read_ if isinstance(record, FeedbackEvent)]


def best(event: FeedbackEvent) -> str:
    judgement = event.judgements[0]
    return event.responses[judgement.ranks.index(1)].text if judgement.ranks else judgement.outcome


RANKINGS: list[Any] = [
    [{"value": "second", "rank": 1}, {"value": "first", "rank": 2}],
    ["second", "first"],
    {"value": ["first", "second"], "rank": [2, 1]},
]


@pytest.mark.parametrize("value", RANKINGS)
def test_rank_1_and_the_first_of_a_list_are_the_best(tmp_path: Path, value: Any) -> None:
    [event] = events(tmp_path, flat("order", (value, ANA, "submitted")))
    assert (event.kind, best(event), event.annotator_id) == ("comparison", "Soon.", ANA)


def test_a_label_that_is_the_name_of_a_field_is_the_winner(tmp_path: Path) -> None:
    [event] = events(tmp_path, flat("better", ("second", ANA, "submitted")))
    assert best(event) == "Soon."


def test_other_labels_mean_what_the_knob_says(tmp_path: Path) -> None:
    given = [(value, f"person-{value}", "submitted") for value in ("one", "two", "same")]
    voted = events(tmp_path, flat("better", *given), questions={"better": VERDICT})
    assert [best(event) for event in voted] == ["On Monday.", "Soon.", "tie"]


def test_only_submitted_responses_count_and_discarded_ones_are_skips(tmp_path: Path) -> None:
    given = [
        ("first", ANA, "submitted"),
        ("second", BO, "discarded"),
        ("second", "cy", "draft"),
        ("second", "di", None),
    ]
    first, skip, unstated = events(tmp_path, flat("better", *given))
    assert (best(first), skip.judgements[0].outcome, skip.annotator_id) == ("On Monday.", "skip", BO)
    assert (best(unstated), unstated.annotator_id) == ("Soon.", "di")


def test_the_questions_of_one_person_are_one_submission(tmp_path: Path) -> None:
    knobs = {"quality": {"use": "rating", "answer": 1, "scale": [1, 5]}, "why": {"use": "rationale"}}
    record = flat("better", ("first", ANA, "submitted"), ("second", BO, "submitted"))
    record |= {"quality.responses": [4], "quality.responses.users": [ANA], "quality.responses.status": ["submitted"]}
    record |= {"why.responses": ["Rude."], "why.responses.users": [BO], "why.responses.status": ["submitted"]}
    ana, rating, bo = events(tmp_path, record, questions=knobs)
    assert (best(ana), ana.judgements[0].rationale) == ("On Monday.", None)
    assert (rating.annotator_id, rating.judgements[0].criterion, rating.judgements[0].scores) == (
        ANA,
        "quality",
        (None, 4),
    )
    assert (best(bo), bo.judgements[0].rationale) == ("Soon.", "Rude.")


def test_records_written_by_to_json(tmp_path: Path) -> None:
    replies = {"better": [{"value": "second", "user_id": ANA}]}
    record = {"id": "r1", "fields": FIELDS, "metadata": {"shop": "Leeds"}, "responses": replies, "_server_id": "s1"}
    [event] = events(tmp_path, record)
    [same] = events(tmp_path, flat("better", ("second", ANA, "submitted")))
    assert best(event) == "Soon."
    assert event.feedback_id == same.feedback_id


@pytest.mark.parametrize("as_lists", [True, False])
def test_records_of_version_1(tmp_path: Path, as_lists: bool) -> None:
    value: Any = {"value": ["first", "second"], "rank": [2, 1]}
    one = {"user_id": ANA, "value": value, "status": "submitted"}
    column = {name: [given] for name, given in one.items()} if as_lists else [one]
    suggestion = {"question-1-suggestion": None, "external_id": None, "metadata": "{}"}
    [event] = events(tmp_path, {**FIELDS, "question-1": column, **suggestion})
    assert (best(event), event.annotator_id) == ("Soon.", ANA)


def test_a_parquet_file_and_a_folder(tmp_path: Path) -> None:
    ranking = [{"value": "second", "rank": 1}, {"value": "first", "rank": 2}]
    table = pa.Table.from_pylist([flat("order", (ranking, ANA, "submitted")), flat("order") | {"id": "r2"}])
    pq.write_table(table, tmp_path / "train-00000-of-00001.parquet")
    built = source(tmp_path)
    built.check()
    [event] = built.read(Intake(0, 0))
    assert isinstance(event, FeedbackEvent)
    assert best(event) == "Soon."


def test_prompts_that_are_chats(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    record = flat("better", ("second", ANA, "submitted")) | {"prompt": [*turns, {"role": "user", "content": "And?"}]}
    [event] = events(tmp_path, record)
    assert [turn.content for turn in event.prompt] == ["Hi", "Hello", "And?"]


def test_an_edited_response_corrects_the_stored_one(tmp_path: Path) -> None:
    versions = [[("first", ANA)], [("first", ANA), ("first", BO)], [("second", ANA), ("first", BO)]]
    for round, version in enumerate(versions):
        record = flat("better", *[(value, who, "submitted") for value, who in version]) | {"status": f"version {round}"}
        corrected = revisions.corrected(tmp_path / "store", events(tmp_path, record), round)
        assert store.append(tmp_path / "store", corrected, round).changed == ()
    counted = {event.annotator_id: best(event) for event in effective(store.events(tmp_path / "store"))}
    assert counted == {ANA: "Soon.", BO: "On Monday."}


def test_responses_without_a_user_are_events_of_their_own(tmp_path: Path) -> None:
    given: list[Any] = [("first", None, "submitted"), ("second", None, "submitted")]
    first, second = events(tmp_path, flat("better", *given))
    assert (best(first), best(second)) == ("On Monday.", "Soon.")
    assert {first.annotator_id, second.annotator_id} == {"unknown"}
    assert first.feedback_id != second.feedback_id


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"id": "r1", **FIELDS}, "no column has responses"),
        ({"id": ["r1"], "better.responses": [["a"]]}, "the file is one table of columns"),
        (flat("stars", (4, ANA, "submitted")), "stars is 4, expected the question in `questions`"),
        (flat("better", ("third", ANA, "submitted")), "better is 'third', expected the question in"),
        (flat("better", ("first", ANA, "submitted")) | {"second": None}, "second is missing"),
        (flat("better", ("first", ANA, None)) | {"better.responses.users": []}, "better.responses has 1 values and 0"),
    ],
)
def test_an_unusable_record_has_a_reason(tmp_path: Path, record: dict[str, Any], expected: str) -> None:
    bad, good = read(tmp_path, record, flat("better", ("first", ANA, "submitted")))
    assert isinstance(bad, RejectedRecord)
    assert (bad.source, bad.where) == ("argilla", "records.json:1")
    assert bad.reason.startswith(expected)
    assert isinstance(good, FeedbackEvent)


def test_native_records_are_rebuilt(tmp_path: Path) -> None:
    given = flat("better", ("first", ANA, "submitted"), ("second", BO, "submitted"))
    read_ = events(tmp_path, given)
    extra: Any = read_[0].extra
    texts = {"prompt": read_[0].prompt[0].content, "first": "On Monday.", "second": read_[0].responses[1].text}
    replies: list[Any] = [reply for event in read_ for reply in _responses(event)]
    rebuilt = flat("better", *[(reply["value"], reply["person"], reply["status"]) for reply in replies])
    assert {**extra["record"], **texts}.items() <= rebuilt.items()
    assert rebuilt == given


def _responses(event: FeedbackEvent) -> Any:
    return event.extra["responses"]


def test_knobs_and_files_are_checked(tmp_path: Path) -> None:
    with pytest.raises(BadParams, match="answers"):
        source(tmp_path, answers=[])
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(BadFeedback, match="no file of records"):
            source(path).check()
    (tmp_path / "records.json").write_text("[]")
    before = source(tmp_path).fingerprint()
    (tmp_path / "records.json").write_text("[{}]")
    assert source(tmp_path).fingerprint() != before
