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


@pytest.mark.parametrize(("bad", "stops"), [(30, True), (29, False)])
def test_a_source_that_is_30_percent_bad_stops_the_round(tmp_path: Path, bad: int, stops: bool) -> None:
    good = [GOOD | {"prompt": f"Is number {number} open?"} for number in range(100 - bad)]
    file = written(tmp_path / "votes.jsonl", *good, *[BROKEN] * (bad - 1), {"prompt": "Why?"})
    round = opened(tmp_path, ingest={"sources": [{"use": "jsonl", "path": str(file)}]})
    if stops:
        with pytest.raises(BadFeedback) as stopped:
            ingest(round, Logged())
        facts = ("30 of 100", "29 × rejected is missing", "(first: votes.jsonl:71)", "ingest.rejected_limit=0.3")
        assert [fact for fact in facts if fact not in str(stopped.value)] == []
    else:
        ingest(round, Logged())
    assert len(store.rejections(round.workspace.feedback)) == bad
    assert len(store.events(round.workspace.feedback)) == 100 - bad


def test_a_small_source_is_not_judged_by_its_share(tmp_path: Path) -> None:
    file = written(tmp_path / "votes.jsonl", GOOD, *[BROKEN | {"prompt": f"{number}?"} for number in range(48)])
    ingest(opened(tmp_path, ingest={"sources": [{"use": "jsonl", "path": str(file)}]}), Logged())


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


def test_an_annotation_that_was_edited_since_it_was_stored_supersedes_it(tmp_path: Path) -> None:
    knobs = {
        "use": "label_studio",
        "path": str(tmp_path / "export.json"),
        "prompt": "q",
        "answers": {"a": "x", "b": "y"},
    }
    round, log, counts = opened(tmp_path, ingest={"sources": [knobs]}), Logged(), []
    for number, side in enumerate(("left", "left", "right")):
        pair = {"from_name": "pw", "to_name": "a,b", "type": "pairwise", "value": {"selected": side}}
        annotation = {
            "id": 7,
            "completed_by": 3,
            "result": [pair],
            "updated_at": f"2024-03-0{1 + number // 2}T00:00:00Z",
        }
        task = {"id": 1, "data": {"q": "Is it open?", "x": "Until six.", "y": "No idea."}, "annotations": [annotation]}
        (tmp_path / "export.json").write_text(json.dumps([task]))
        ingest(replace(round, number=number), log)
        counts.append((log.metrics["new"], log.metrics["repeated"], log.metrics["quarantined"]))
    assert counts == [(1, 0, 0), (0, 1, 0), (1, 0, 0)]
    first, edited = store.events(round.workspace.feedback)
    assert edited.supersedes == first.feedback_id
    assert edited.judgements[0].ranks == (2, 1)
