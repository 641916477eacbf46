"""Erasing an annotator from parts, quarantine and files that were handed in."""

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import BadFeedback
from feedback import store
from feedback.lines import events
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.store import erasure
from tests.feedback.examples import vote

SECRET = "Where is the parcel of Ana?"


def records() -> list[dict[str, str]]:
    return [
        {"prompt": f"{name} asks?", "chosen": "Yes, please.", "rejected": "No, thanks.", "annotator_id": name}
        for name in ("ana", "bo", "ana", "cem")
    ]


def test_their_events_leave_the_parts_and_an_empty_part_stays(tmp_path: Path) -> None:
    store.append(tmp_path, [vote("1", annotator_id="ana"), vote("2", annotator_id="bo")], 0)
    store.append(tmp_path, [vote("3", annotator_id="ana")], 1)
    assert erasure.erase_parts(tmp_path, "ana", write=False) == 2
    assert len(store.ids(tmp_path)) == 3
    assert erasure.erase_parts(tmp_path, "ana", write=True) == 2
    assert [event.annotator_id for event in store.events(tmp_path)] == ["bo"]
    assert [part.name for part in store.parts(tmp_path)] == ["part-00000-0.parquet", "part-00001-0.parquet"]
    assert erasure.erase_parts(tmp_path, "ana", write=True) == 0


def test_what_others_have_too_is_not_erased_elsewhere(tmp_path: Path) -> None:
    theirs = vote("1", annotator_id="ana", question=SECRET, answers=("On its way to Ana.", "Yes."))
    shared = vote("2", annotator_id="ana", question="A question of everybody")
    store.append(tmp_path, [theirs, shared, vote("3", question="A question of everybody")], 0)
    what = erasure.erased(tmp_path, "ana")
    assert what.texts == {SECRET, "On its way to Ana."}, "`Yes.` is too short to identify anybody"
    assert what.ids == {theirs.feedback_id, shared.feedback_id, theirs.prompt_id}


def test_values_are_compared_in_the_fields_that_have_them() -> None:
    what = erasure.Erased("hold", frozenset(["e1"]), frozenset([SECRET]))
    report = {"verdict": "hold", "examples": [{"prompt": SECRET, "before": "x"}], "annotators": [{"annotator": "hold"}]}
    assert what.has(report)
    assert what.without(report) == {
        "verdict": "hold",
        "examples": [{"prompt": "[purged]", "before": "x"}],
        "annotators": [{"annotator": "[purged]"}],
    }
    assert not what.has({"verdict": "hold"})


def test_their_rejected_records_leave_quarantine(tmp_path: Path) -> None:
    rejected = [
        RejectedRecord(source="s", where=str(number), reason="r", record=record)
        for number, record in enumerate(('{"by": "ana"}', '{"by": "bo", "text": "\u2028"}', "ana;no JSON"))
    ]
    store.quarantine(tmp_path, rejected, 3)
    assert erasure.erase_rejections(tmp_path, "ana", write=True) == 2
    assert store.rejections(tmp_path) == [rejected[1]]


def written(folder: Path, kind: str) -> Path:
    """The records as a file of a kind."""
    file = folder / f"abc.{kind}"
    text = "".join(json.dumps(record) + "\n" for record in records())
    if kind == "jsonl":
        file.write_text(text)
    elif kind == "jsonl.gz":
        file.write_bytes(gzip.compress(text.encode()))
    elif kind == "json":
        file.write_text(json.dumps(records()))
    elif kind == "csv":
        rows = [",".join(record.values()).replace("Yes, please", "Yes please") for record in records()]
        file.write_text("\n".join([",".join(records()[0]), *(row.replace("No, ", "No ") for row in rows)]) + "\n")
    else:
        pq.write_table(pa.Table.from_pylist(records()), file)
    return file


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "json", "csv", "parquet"])
def test_files_that_were_handed_in_keep_the_others_with_their_ids_and_time(tmp_path: Path, kind: str) -> None:
    file = written(tmp_path, kind)
    os.utime(file, ns=(10**18, 10**18))
    before = [event for event in events(file, "s", {}) if isinstance(event, FeedbackEvent)]
    assert len(before) == 4
    assert erasure.erase_records(file, "ana", write=True) == 2
    assert [*events(file, "s", {})] == [event for event in before if event.annotator_id != "ana"]
    assert file.stat().st_mtime_ns == 10**18
    assert b"ana" not in file.read_bytes()
    assert erasure.erase_records(file, "ana", write=True) == 0


def test_a_file_of_nobody_else_is_removed_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "abc.jsonl"
    file.write_text(json.dumps(records()[0]) + "\n")
    assert erasure.erase_records(file, "ana", write=True) == 1
    assert not file.exists()
    damaged = tmp_path / "abc.jsonl.gz"
    damaged.write_bytes(gzip.compress(b"{}" * 1000)[:20])
    with pytest.raises(BadFeedback):
        erasure.erase_records(damaged, "ana", write=True)
