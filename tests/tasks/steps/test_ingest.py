"""Feedback from sources and the inbox, stored once."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import BadFeedback
from feedback import store
from tasks.steps.ingest import ingest
from tests.tasks.steps.hand_written import Logged, opened

GOOD = {"prompt": "Is it open?", "chosen": "Until six.", "rejected": "No idea."}
SECOND = GOOD | {"prompt": "Is it far?"}
BROKEN = {"prompt": "Is it late?", "chosen": "No."}


def written(path: Path, *records: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_new_repeated_and_broken_records_are_counted(tmp_path: Path) -> None:
    file, log = written(tmp_path / "votes.jsonl", GOOD, SECOND, BROKEN), Logged()
    round = opened(tmp_path, ingest={"sources": [{"use": "jsonl", "path": str(file)}]})
    ingest(round, log)
    assert log.metrics == {"new": 2, "repeated": 0, "quarantined": 1}
    [rejection] = store.rejections(round.workspace.feedback)
    assert rejection.where.endswith("votes.jsonl:3")
    ingest(replace(round, number=2), log)
    assert (log.metrics["new"], log.metrics["repeated"]) == (0, 2)
    assert len(store.events(round.workspace.feedback)) == 2


def test_the_files_of_the_inbox_that_the_round_claimed_are_read(tmp_path: Path) -> None:
    round, log = opened(tmp_path, ingest={"sources": []}), Logged()
    written(round.workspace.inbox / "claimed.jsonl", GOOD)
    written(round.workspace.inbox / "later.jsonl", SECOND)
    ingest(replace(round, inbox=("claimed.jsonl",)), log)
    assert [event.prompt[0].content for event in store.events(round.workspace.feedback)] == ["Is it open?"]


def test_a_store_without_events_is_an_error_with_the_cure(tmp_path: Path) -> None:
    file = written(tmp_path / "votes.jsonl", BROKEN)
    round = opened(tmp_path, ingest={"sources": [{"use": "jsonl", "path": str(file)}]})
    with pytest.raises(BadFeedback, match=r"jsonl.* 1 records .*quarantine.*rounds feedback"):
        ingest(round, Logged())
