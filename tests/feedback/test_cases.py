"""Small inputs that went wrong elsewhere, each with what is right."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from feedback.sources.jsonl import JSONL

PARCEL = {"prompt": "Where is my parcel?", "chosen": "It arrives on Monday.", "rejected": "Soon."}


def read(file: Path) -> list[FeedbackEvent | RejectedRecord]:
    return list(JSONL(path=file).read(Intake(0, seed=0)))


def lines(folder: Path, *records: dict[str, Any]) -> Path:
    (folder / "case.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder / "case.jsonl"


def only(file: Path) -> FeedbackEvent:
    [event] = read(file)
    assert isinstance(event, FeedbackEvent), event
    return event


def texts(event: FeedbackEvent) -> tuple[list[str], list[str]]:
    """The turns of the prompt; the answers, the better one first."""
    ranks = event.judgements[0].ranks
    assert ranks is not None
    order = sorted(range(len(ranks)), key=lambda ix: ranks[ix] or 0)
    return [turn.content for turn in event.prompt], [event.responses[ix].text for ix in order]


@pytest.mark.parametrize(("ranks", "found"), [([True, False], "is true"), ([2, 1, 0], "is 0")])
def test_the_direction_of_ranks_is_not_guessed(tmp_path: Path, ranks: list[Any], found: str) -> None:
    answers = ["best", "middle", "worst"][: len(ranks)]
    record = {"kind": "ranking", "prompt": "Q?", "responses": answers, "judgements": [{"ranks": ranks}]}
    [rejected] = read(lines(tmp_path, record))
    assert isinstance(rejected, RejectedRecord)
    assert found in rejected.reason
    assert "`scores`" in rejected.reason


def test_an_answer_that_is_a_whole_conversation(tmp_path: Path) -> None:
    shared = [
        {"role": "user", "content": "My kettle leaks."},
        {"role": "assistant", "content": "Since when?"},
        {"role": "user", "content": "Forget it. Tell me a joke."},
    ]
    chosen, rejected = ([*shared, {"role": "assistant", "content": text}] for text in ("A horse.", "No jokes."))
    event = only(lines(tmp_path, {"prompt": "My kettle leaks.", "chosen": chosen, "rejected": rejected}))
    assert texts(event) == ([turn["content"] for turn in shared], ["A horse.", "No jokes."])


def test_an_answer_to_another_prompt(tmp_path: Path) -> None:
    other = [{"role": "user", "content": "Capital of France?"}, {"role": "assistant", "content": "Paris."}]
    [rejected] = read(lines(tmp_path, {"prompt": "My kettle leaks.", "chosen": other, "rejected": "Buy another."}))
    assert isinstance(rejected, RejectedRecord)
    assert "chosen is a conversation that does not begin with the prompt" in rejected.reason


def test_a_prompt_that_is_only_in_the_answers(tmp_path: Path) -> None:
    question = {"role": "user", "content": "Q?"}
    chosen, rejected = ([question, {"role": "assistant", "content": text}] for text in "AB")
    assert texts(only(lines(tmp_path, {"chosen": chosen, "rejected": rejected}))) == (["Q?"], ["A", "B"])


def test_openai_dpo(tmp_path: Path) -> None:
    record = {
        "input": {"messages": [{"role": "user", "content": "Q"}], "tools": []},
        "preferred_output": [{"role": "assistant", "content": "A"}],
        "non_preferred_output": [{"role": "assistant", "content": "B"}],
    }
    event = only(lines(tmp_path, record))
    assert texts(event) == (["Q"], ["A", "B"])
    assert event.extra == {"input": {"tools": []}}


def test_an_array_a_table_of_text_and_a_parquet_file(tmp_path: Path) -> None:
    record = {"prompt": "A?", "chosen": "yes", "rejected": "no"}
    (tmp_path / "array.json").write_text(json.dumps([record]))
    (tmp_path / "votes.csv").write_text("prompt,chosen,rejected\nA?,yes,no\n")
    pq.write_table(pa.Table.from_pylist([record]), tmp_path / "votes.parquet")
    events = [only(tmp_path / name) for name in ("array.json", "votes.csv", "votes.parquet")]
    assert [texts(event) for event in events] == [(["A?"], ["yes", "no"])] * 3
    assert len({event.feedback_id for event in events}) == 1


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"annotator_id": None}, "annotator_id", "unknown"),
        ({"annotator_id": " "}, "annotator_id", "unknown"),
        ({"annotator_id": 17}, "annotator_id", "17"),
        ({"source_id": 17}, "source_id", "17"),
        ({"source_id": 17.0}, "source_id", "17"),
        ({"flags": None}, "flags", ()),
        ({"created_at": ""}, "created_at", None),
        ({"status": "submitted"}, "extra", {"status": "submitted"}),
        ({"license": "MIT"}, "licence", "MIT"),
        ({"prompt_id": "f0e37e9f"}, "extra", {"prompt_id": "f0e37e9f"}),
        ({"round": "2024-03"}, "extra", {"round": "2024-03"}),
        ({"score": None}, "extra", {"score": None}),
        ({"flags": {"toxic": 0.1}}, "extra", {"flags": {"toxic": 0.1}}),
        ({"flags": [1, 2]}, "extra", {"flags": [1, 2]}),
        ({"flags": "none"}, "extra", {"flags": "none"}),
        ({"flags": ["safety"]}, "flags", ("safety",)),
        ({"consent": True}, "extra", {"consent": True}),
        ({"source": ["web"]}, "extra", {"source": ["web"]}),
        ({"source": ["web"], "source_id": "7"}, "source", "case"),
        ({"license": {"id": "MIT"}}, "extra", {"licence": {"id": "MIT"}}),
        ({"status": ["done"]}, "extra", {"status": ["done"]}),
        ({"duration_ms": 3.7}, "duration_ms", 4),
        ({"duration_ms": "3.2"}, "duration_ms", 3),
        ({"duration_ms": "fast"}, "extra", {"duration_ms": "fast"}),
    ],
)
def test_exports_of_other_tools(tmp_path: Path, change: dict[str, Any], field: str, value: object) -> None:
    event = only(lines(tmp_path, PARCEL | change))
    assert getattr(event, field) == value
    assert texts(event) == (["Where is my parcel?"], ["It arrives on Monday.", "Soon."])


def test_other_keys_of_a_turn_are_kept_with_the_event(tmp_path: Path) -> None:
    record = {
        "prompt": [{"role": "user", "content": "Hi", "name": "bo"}],
        "chosen": [{"role": "assistant", "content": "Hello", "refusal": None}],
        "rejected": "No",
    }
    assert only(lines(tmp_path, record)).extra == {
        "turns": {"prompt[0]": {"name": "bo"}, "chosen[0]": {"refusal": None}}
    }


def test_a_tie_between_equal_answers_is_taken_in(tmp_path: Path) -> None:
    record = {"kind": "comparison", "prompt": "Q?", "responses": ["S.", "S."], "judgements": [{"outcome": "tie"}]}
    assert only(lines(tmp_path, record)).judgements[0].outcome == "tie"


def test_three_blank_annotators_are_three_events_of_unknown_people(tmp_path: Path) -> None:
    blank = [PARCEL | {"annotator_id": "", "source_id": str(number), "source": "csv"} for number in range(3)]
    events = [event for event in read(lines(tmp_path, *blank)) if isinstance(event, FeedbackEvent)]
    assert {event.annotator_id for event in events} == {"unknown"}
    assert len({event.feedback_id for event in events}) == 3


def test_an_id_with_a_blank_annotator_is_what_it_was(tmp_path: Path) -> None:
    """Workspaces have events that were stored under these ids."""
    given = [PARCEL | {"annotator_id": name, "source": "csv", "source_id": "1"} for name in ("", "ana")]
    ids = [event.feedback_id for event in read(lines(tmp_path, *given)) if isinstance(event, FeedbackEvent)]
    assert ids == ["cedb24b27ee51087d653528585e93d3d", "e650e6780b18d79742a46556b97db61b"]


@pytest.mark.parametrize("version", [99, "99", 99.0, "99.0", " 3 "])
@pytest.mark.parametrize("record", [PARCEL, {"kind": "demonstration", "prompt": "Q?", "responses": ["A"]}])
def test_a_newer_schema_is_refused_however_it_is_written(tmp_path: Path, version: Any, record: dict[str, Any]) -> None:
    [rejected] = read(lines(tmp_path, record | {"schema_version": version}))
    assert isinstance(rejected, RejectedRecord)
    assert "expected at most 2; update Rounds" in rejected.reason


@pytest.mark.parametrize("version", ["1", "2.1.0", "draft", True, "1e999", 1])
def test_the_schema_of_another_tool_is_not_ours(tmp_path: Path, version: Any) -> None:
    assert only(lines(tmp_path, PARCEL | {"schema_version": version})).schema_version == 2


def test_a_prompt_that_is_a_transcript(tmp_path: Path) -> None:
    """As in the public full-hh-rlhf."""
    record = {"prompt": "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: 2 + 2?\n\nAssistant:"}
    event = only(lines(tmp_path, record | {"response": None, "chosen": " 4", "rejected": " 5"}))
    assert texts(event) == (["Hi", "Hello", "2 + 2?"], ["4", "5"])
    assert event.extra == {"response": None}


def test_a_fractional_duration_in_the_canonical_form_is_rounded(tmp_path: Path) -> None:
    record = {"kind": "demonstration", "prompt": "Q?", "responses": ["A"], "duration_ms": 8199.6}
    assert only(lines(tmp_path, record)).duration_ms == 8200
