import json
from pathlib import Path

import pytest

from core.errors import BadFeedback
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake
from feedback.sources.hh_rlhf import HHRLHF
from tests.feedback.examples import asked

ASK = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: 2 + 2?"


def read(folder: Path, *pairs: tuple[object, object], limit: int | None = None) -> list[FeedbackEvent | RejectedRecord]:
    file = folder / "test.jsonl"
    file.write_text("".join(json.dumps({"chosen": chosen, "rejected": rejected}) + "\n" for chosen, rejected in pairs))
    return list(HHRLHF(path=file, limit=limit).read(Intake(round=2, seed=0)))


def test_the_last_turns_are_the_answers_to_what_came_before(tmp_path: Path) -> None:
    [found] = read(tmp_path, (ASK + "\n\nAssistant: 4", ASK + "\n\nAssistant: 5\n\nthe end"))
    assert isinstance(found, FeedbackEvent)
    assert found.prompt == asked("Hi", "Hello", "2 + 2?")
    assert [response.text for response in found.responses] == ["4", "5\n\nthe end"]
    assert [judgement.ranks for judgement in found.judgements] == [(1, 2)]
    assert (found.source, found.licence, found.round, found.annotator_id) == ("hh_rlhf", "MIT", 2, "unknown")


def test_a_turn_that_the_model_wrote_into_its_own_stays_text(tmp_path: Path) -> None:
    [found] = read(tmp_path, (ASK + "\n\nAssistant: 4. Human: Sure?", ASK + "\n\nAssistant: 5"))
    assert isinstance(found, FeedbackEvent)
    assert found.responses[0].text == "4. Human: Sure?"
    assert found.flags == ("role_name_in_text",)


def test_a_speaker_who_speaks_twice_is_flagged(tmp_path: Path) -> None:
    twice = "\n\nHuman: Hi\n\nHuman: 2 + 2?\n\nAssistant: "
    [found] = read(tmp_path, (twice + "4", twice + "5"))
    assert isinstance(found, FeedbackEvent)
    assert found.flags == ("consecutive_turns",)


@pytest.mark.parametrize(
    ("chosen", "rejected", "reason"),
    [
        (ASK + "\n\nAssistant:", ASK + "\n\nAssistant: 5", "chosen: turn 4 of 4 is empty"),
        (
            ASK + "\n\nAssistant: 4",
            ASK + "\n\nAssistant: 4 ",
            "chosen equals rejected, so that there is nothing to prefer",
        ),
        (ASK + "\n\nAssistant: 4", ASK + "!\n\nAssistant: 5", "chosen and rejected differ before their last turns"),
        (ASK + "\n\nAssistant: 4", ASK, "rejected is no transcript that begins with a turn and ends with an answer"),
        (ASK + "\n\nAssistant: 4", "5", "rejected is no transcript"),
        ("Note:" + ASK + "\n\nAssistant: 4", ASK + "\n\nAssistant: 5", "chosen is no transcript"),
        ("\n\nAssistant: 4", "\n\nAssistant: 5", "chosen is no transcript"),
        (4, ASK + "\n\nAssistant: 5", "chosen is not a string"),
        (None, ASK + "\n\nAssistant: 5", "chosen is missing"),
    ],
)
def test_what_is_no_pair_is_kept_with_its_reason(tmp_path: Path, chosen: object, rejected: object, reason: str) -> None:
    [found] = read(tmp_path, (chosen, rejected))
    assert isinstance(found, RejectedRecord)
    assert found.where == "test.jsonl:1"
    assert found.reason.startswith(reason)


def test_a_limit_stops_early(tmp_path: Path) -> None:
    pairs = [(f"{ASK}\n\nAssistant: {number}", ASK + "\n\nAssistant: no") for number in range(5)]
    assert len(read(tmp_path, *pairs, limit=2)) == 2


def test_a_missing_file_is_found_out_before_a_round(tmp_path: Path) -> None:
    with pytest.raises(BadFeedback, match="there is no such file"):
        HHRLHF(path=tmp_path / "test.jsonl.gz").check()
