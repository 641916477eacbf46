import json
from pathlib import Path

import pytest

from core.errors import BadFeedback
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from feedback.sources.hh_rlhf import HHRLHF
from tests.feedback.examples import chat

ASK = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: 2 + 2?"


def read(folder: Path, *pairs: tuple[object, object], limit: int | None = None) -> list[FeedbackEvent | RejectedRecord]:
    file = folder / "test.jsonl"
    file.write_text("".join(json.dumps({"chosen": chosen, "rejected": rejected}) + "\n" for chosen, rejected in pairs))
    return list(HHRLHF(path=file, limit=limit).read(Intake(round=2, seed=0)))


def test_the_last_turns_are_the_answers_and_the_turns_before_are_the_prompt(tmp_path: Path) -> None:
    [record] = read(tmp_path, (ASK + "\n\nAssistant: 4", ASK + "\n\nAssistant: 5\n\nthe end"))
    assert isinstance(record, FeedbackEvent)
    assert record.prompt == chat("Hi", "Hello", "2 + 2?")
    assert [response.text for response in record.responses] == ["4", "5\n\nthe end"]
    assert [judgement.ranks for judgement in record.judgements] == [(1, 2)]
    assert (record.source, record.licence, record.round, record.annotator_id) == ("hh_rlhf", "MIT", 2, "unknown")


def test_a_human_turn_inside_an_answer_stays_text(tmp_path: Path) -> None:
    [record] = read(tmp_path, (ASK + "\n\nAssistant: 4. Human: Sure?", ASK + "\n\nAssistant: 5"))
    assert isinstance(record, FeedbackEvent)
    assert record.responses[0].text == "4. Human: Sure?"
    assert record.flags == ("role_name_in_text",)


def test_two_turns_in_a_row_by_one_speaker_are_flagged(tmp_path: Path) -> None:
    twice = "\n\nHuman: Hi\n\nHuman: 2 + 2?\n\nAssistant: "
    [record] = read(tmp_path, (twice + "4", twice + "5"))
    assert isinstance(record, FeedbackEvent)
    assert record.flags == ("consecutive_turns",)


@pytest.mark.parametrize(
    ("chosen", "rejected", "reason"),
    [
        (ASK + "\n\nAssistant:", ASK + "\n\nAssistant: 5", "chosen: turn 4 of 4 is empty"),
        (
            ASK + "\n\nAssistant: 4",
            ASK + "\n\nAssistant: 4 ",
            "chosen equals rejected, expected two different answers",
        ),
        (ASK + "\n\nAssistant: 4", ASK + "!\n\nAssistant: 5", "chosen and rejected differ before their last turns"),
        (
            ASK + "\n\nAssistant: 4",
            ASK,
            "rejected is not a transcript, expected one that begins with a turn and ends with an answer",
        ),
        (ASK + "\n\nAssistant: 4", "5", "rejected is not a transcript"),
        ("Note:" + ASK + "\n\nAssistant: 4", ASK + "\n\nAssistant: 5", "chosen is not a transcript"),
        ("\n\nAssistant: 4", "\n\nAssistant: 5", "chosen is not a transcript"),
        (4, ASK + "\n\nAssistant: 5", "chosen is not a string"),
        (None, ASK + "\n\nAssistant: 5", "chosen is missing"),
    ],
)
def test_an_unusable_record_has_a_reason(tmp_path: Path, chosen: object, rejected: object, reason: str) -> None:
    [record] = read(tmp_path, (chosen, rejected))
    assert isinstance(record, RejectedRecord)
    assert record.where == "test.jsonl:1"
    assert record.reason.startswith(reason)


def test_no_more_records_than_the_limit_are_read(tmp_path: Path) -> None:
    pairs = [(f"{ASK}\n\nAssistant: {number}", ASK + "\n\nAssistant: no") for number in range(5)]
    assert len(read(tmp_path, *pairs, limit=2)) == 2


def test_check_raises_for_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadFeedback, match="there is no such file"):
        HHRLHF(path=tmp_path / "test.jsonl.gz").check()
