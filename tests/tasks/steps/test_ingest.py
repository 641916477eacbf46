"""Feedback from sources and the inbox, stored once."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadFeedback
from feedback import store
from models.policy import ModelSettings, build
from tasks.steps.curate import curate
from tasks.steps.ingest import ingest
from tests.tasks.steps.hand_written import SHAPE, Logged, opened

GOOD = {"prompt": "Is it open?", "chosen": "Until six.", "rejected": "No idea."}
SECOND = GOOD | {"prompt": "Is it far?"}
BROKEN = {"prompt": "Is it late?", "chosen": "No."}


def written(path: Path, *records: dict[str, Any]) -> Path:
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


REFUSES_SYSTEM = (
    "{% for turn in messages %}{% if turn.role == 'system' %}{{ raise_exception('no system turns') }}{% endif %}"
    "{{ turn.content }}{{ eos_token }}{% endfor %}"
)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A model whose template takes no system turn."""
    policy = build(ModelSettings.model_validate(SHAPE), ["hello"])
    policy.tokenizer.chat_template = REFUSES_SYSTEM
    policy.save(tmp_path / "base")
    return tmp_path / "base"


def one_system_turn() -> list[dict[str, Any]]:
    """The case one_system_turn.jsonl, with two refused records instead of one."""
    rows: list[dict[str, Any]] = [
        {
            "prompt": [{"role": "user", "content": f"Question number {number} about {7 * number}?"}],
            "chosen": f"Good answer {number}",
            "rejected": f"Bad {number}",
        }
        for number in range(150)
    ]
    for number in (140, 141):
        rows[number]["prompt"].insert(0, {"role": "system", "content": "Be kind."})
    return rows


@pytest.mark.parametrize("inbox", [True, False])
def test_prompts_that_the_chat_template_refuses_are_quarantined(tmp_path: Path, base: Path, inbox: bool) -> None:
    sources = [] if inbox else [{"use": "jsonl", "path": str(tmp_path / "workspace/data/inbox/votes.jsonl")}]
    round, log = opened(tmp_path, model={"base": str(base)}, ingest={"sources": sources}), Logged()
    written(round.workspace.inbox / "votes.jsonl", *one_system_turn())
    ingest(replace(round, inbox=("votes.jsonl",) if inbox else ()), log)
    assert log.metrics == {"new": 148, "repeated": 0, "quarantined": 2}
    kept = store.rejections(round.workspace.feedback)
    assert [record.where for record in kept] == ["votes.jsonl:141", "votes.jsonl:142"]
    assert json.loads(kept[0].record) == one_system_turn()[140]
    assert all("[system user]: no system turns" in record.reason for record in kept)


def test_stored_prompts_that_the_template_refuses_are_left_out(tmp_path: Path, base: Path) -> None:
    """The workspace began with another base model."""
    file = written(tmp_path / "votes.jsonl", *one_system_turn())
    round = opened(tmp_path, ingest={"sources": [{"use": "jsonl", "path": str(file)}]})
    ingest(round, Logged())
    log = Logged()
    curate(replace(round, values={**round.values, "model": {"base": str(base)}, "curate": {"min_holdout": 1}}), log)
    assert (log.metrics["refused"], log.metrics["events"]) == (2, 148)
    assert sum(log.metrics[split] for split in ("train", "judge", "holdout")) == 148
