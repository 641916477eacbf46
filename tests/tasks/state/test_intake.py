"""What is handed in: what the command acknowledges is what the next round counts, with the same ids."""

import gzip
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadFeedback
from feedback import store
from feedback.fieldmap import FieldMap
from feedback.packaging.compression import Compression
from feedback.sources.jsonl import JSONL
from tasks.state import intake, tombstones
from tasks.state.choosing import at
from tasks.state.workspace import Workspace
from tasks.steps.ingest import ingest
from tests.feedback.layouts.fixtures import FIXTURES
from tests.feedback.packaging.test_packaging import COMPRESS, WRITERS
from tests.tasks.steps.hand_written import Logged, opened

GOOD = {"prompt": "Is it open?", "chosen": "Until six.", "rejected": "No idea."}
BAD = {"prompt": "Is it late?", "chosen": "No."}

Records = list[dict[str, Any]]


def lines(path: Path, *records: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def ingested(root: Path) -> tuple[dict[str, float], set[str]]:
    """The metrics of the next round's ingest, and the ids that it stored."""
    round, log = opened(root, ingest={"sources": []}), Logged()
    ingest(replace(round, inbox=tuple(file.name for file in intake.waiting(round.workspace))), log)
    return log.metrics, store.ids(round.workspace.feedback)


def preference(number: int, text: str) -> dict[str, Any]:
    return {"prompt": f"Q{number}? {text}", "chosen": f"good {text}", "rejected": f"bad {text}"}


def turns(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def implicit(number: int, text: str) -> dict[str, Any]:
    question = turns("user", f"Q{number}? {text}")
    return {name: [*question, *turns("assistant", f"{name} {text}")] for name in ("chosen", "rejected")}


def openai(number: int, text: str) -> dict[str, Any]:
    question = {"messages": turns("user", f"Q{number}? {text}")}
    answers = {name: turns("assistant", f"{name} {text}") for name in ("preferred_output", "non_preferred_output")}
    return {"input": question, **answers}


def ranking(number: int, text: str) -> dict[str, Any]:
    answers = [f"best {text}", f"middle {text}", f"worst {text}"]
    judgements = [{"criterion": "overall", "ranks": [1, 2, 3]}]
    return {"kind": "ranking", "prompt": f"Q{number}? {text}", "responses": answers, "judgements": judgements}


JSON_KINDS = ("lines", "array", "indented array")
TEXT_TABLES = ("csv", "semicolons", "tsv")
FORMS: list[Callable[[int, str], dict[str, Any]]] = [
    preference,
    implicit,
    openai,
    ranking,
    lambda number, text: {"prompt": f"Q{number}? {text}", "completion": f"good {text}"},
    lambda number, text: {"prompt": f"Q{number}? {text}", "completion": f"good {text}", "label": "true"},
    lambda number, text: {
        "messages": [*turns("user", f"Q{number}?"), *turns("assistant", f"good {text}")],
        "topic": "a",
    },
    lambda number, text: preference(number, text) | {"source_id": number, "annotator_id": "ana"},
    lambda number, text: preference(number, text) | {"source": "desk", "source_id": f"{number}", "license": "MIT"},
]

WITH_LAYOUTS = [
    *FORMS,
    *(partial(lambda record, number, text: {**record, "n": number, "remark": text}, each.record) for each in FIXTURES),
]
"""Those of all layouts too, for JSON: some have values of several types in one column, which a table does not."""


def flat(record: dict[str, Any]) -> dict[str, Any]:
    """The record as a row of CSV."""
    return {name: json.dumps(value) if isinstance(value, list | dict) else value for name, value in record.items()}


@st.composite
def files(draw: st.DrawFn) -> tuple[str, Compression, Records]:
    """A kind of file, its compression and records of one form, some of them repeated."""
    written = draw(st.sampled_from(sorted(WRITERS)))
    form = draw(st.sampled_from(WITH_LAYOUTS if written in JSON_KINDS else FORMS))
    texts = draw(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8), min_size=1, max_size=6))
    records = [form(number, text) for number, text in enumerate(texts)]
    return written, draw(st.sampled_from(list(Compression))), [*records, *records[: draw(st.integers(0, 2))]]


@settings(deadline=None, max_examples=60)
@given(files())
def test_what_is_acknowledged_is_what_the_next_round_counts(file: tuple[str, Compression, Records]) -> None:
    written, compression, records = file
    rows = [flat(record) for record in records] if written in TEXT_TABLES else records
    content = WRITERS[written][1](rows)
    with tempfile.TemporaryDirectory() as folder:
        ids = []
        for name, packed in (("plain", content), ("packed", COMPRESS[compression](content))):
            root = Path(folder) / name
            root.mkdir()
            (root / "export").write_bytes(packed)
            workspace = Workspace(root / "workspace")
            handed_in = intake.hand_in(workspace, [root / "export"])
            assert (handed_in.records, handed_in.rejected) == (len(records), 0)
            acknowledged = intake.new_records(workspace)
            expected = {event.feedback_id for event in intake.inbox_events(workspace)}
            metrics, stored = ingested(root)
            assert metrics["new"] == acknowledged
            assert stored == expected
            ids.append(stored)
        assert ids[0] == ids[1], "the same ids, compressed or not"


def test_a_compressed_file_keeps_its_bytes_and_is_counted_once(tmp_path: Path) -> None:
    plain = lines(tmp_path / "votes.jsonl", GOOD)
    packed = tmp_path / "votes.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    workspace = Workspace(tmp_path / "workspace")
    intake.hand_in(workspace, [packed])
    [stored] = intake.waiting(workspace)
    assert stored.name.endswith(".jsonl.gz")
    assert stored.read_bytes() == packed.read_bytes()
    intake.hand_in(workspace, [plain, packed])
    assert intake.waiting(workspace) == [stored]
    assert intake.new_records(workspace) == 1


def test_the_files_of_a_folder_are_handed_in(tmp_path: Path) -> None:
    lines(tmp_path / "folder" / "a.jsonl", GOOD)
    lines(tmp_path / "folder" / "sub" / "b.json", GOOD | {"prompt": "Is it far?"})
    (tmp_path / "folder" / "notes.txt").write_text("no feedback")
    workspace = Workspace(tmp_path / "workspace")
    assert intake.hand_in(workspace, [tmp_path / "folder"]).files == 2
    assert intake.new_records(workspace) == 2


def test_a_folder_without_files_of_records_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadFeedback, match="no file of records"):
        intake.hand_in(Workspace(tmp_path / "workspace"), [lines(tmp_path / "a.jsonl", GOOD), tmp_path / "folder"])
    assert not (tmp_path / "workspace").exists()


def test_all_kinds_of_fault_are_counted_and_nothing_is_taken_in(tmp_path: Path) -> None:
    first = lines(tmp_path / "a.jsonl", GOOD, *[BAD] * 7, {"prompt": "Q?"})
    second = lines(tmp_path / "b.jsonl", GOOD, GOOD | {"chosen": "No idea."})
    with pytest.raises(BadFeedback) as refusal:
        intake.hand_in(Workspace(tmp_path / "workspace"), [first, second])
    message = str(refusal.value)
    assert message.startswith("9 records cannot be used")
    assert [line.split(": ")[0].strip() for line in message.splitlines()[1:]] == [
        "7 × a.jsonl:2",
        "1 × a.jsonl:9",
        "1 × b.jsonl:2",
    ]
    assert "--skip-bad" in message
    assert intake.waiting(Workspace(tmp_path / "workspace")) == []


def test_good_records_are_taken_in_and_the_others_written_beside(tmp_path: Path) -> None:
    file = lines(tmp_path / "votes.jsonl", BAD, GOOD, GOOD)
    workspace = Workspace(tmp_path / "workspace")
    handed_in = intake.hand_in(workspace, [file], skip_bad=True)
    beside = tmp_path / "votes.jsonl.rejected.jsonl"
    assert handed_in == intake.HandedIn(1, 2, 2, 1, (beside,))
    [rejected] = [json.loads(line) for line in beside.read_text().splitlines()]
    assert (rejected["where"], json.loads(rejected["record"])) == ("votes.jsonl:1", BAD)
    assert rejected["reason"].startswith("rejected is missing")

    metrics, ids = ingested(tmp_path)
    assert (metrics["new"], metrics["quarantined"]) == (2, 0)
    alone = Workspace(tmp_path / "alone")
    intake.hand_in(alone, [lines(tmp_path / "good.jsonl", GOOD, GOOD)])
    assert {event.feedback_id for event in intake.inbox_events(alone)} == ids


def test_the_good_rows_of_a_table_keep_their_ids(tmp_path: Path) -> None:
    table = tmp_path / "votes.csv"
    table.write_text("prompt,chosen,rejected\nA?,yes,no\nB?,no,no\n")
    workspace = Workspace(tmp_path / "workspace")
    assert intake.hand_in(workspace, [table], skip_bad=True).records == 1
    table.write_text("prompt,chosen,rejected\nA?,yes,no\n")
    alone = Workspace(tmp_path / "alone")
    intake.hand_in(alone, [table])
    ids = [{event.feedback_id for event in intake.inbox_events(one)} for one in (workspace, alone)]
    assert ids[0] == ids[1] != set()


def test_a_file_without_a_usable_record_is_refused_also_with_skip_bad(tmp_path: Path) -> None:
    with pytest.raises(BadFeedback, match="none of 1 records can be used"):
        intake.hand_in(Workspace(tmp_path / "workspace"), [lines(tmp_path / "a.jsonl", BAD)], skip_bad=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_records_that_are_read_by_a_map_are_stored_in_the_canonical_form(tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text("q,left,right,vote\nA?,yes,no,r\nB?,yes,no,l\n")
    winner = {"path": "vote", "values": {"l": 0, "r": 1}}
    fields = FieldMap.model_validate({"prompt": "q", "answers": ["left", "right"], "winner": winner})
    workspace = Workspace(tmp_path / "workspace")
    assert intake.hand_in(workspace, [tmp_path / "votes.csv"], fields=fields).records == 2
    assert [event.judgements[0].ranks for event in intake.inbox_events(workspace)] == [(2, 1), (1, 2)]
    assert ingested(tmp_path)[0]["new"] == 2


def test_what_was_imported_is_counted_without_reading_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = lines(tmp_path / "votes.jsonl", GOOD, GOOD | {"source_id": 7})
    packed = tmp_path / "more.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(GOOD | {"prompt": "Is it far?"}).encode()))
    workspace = Workspace(tmp_path / "workspace")
    intake.hand_in(workspace, [plain, packed])
    expected = {event.feedback_id for event in intake.inbox_events(workspace)}
    monkeypatch.setattr(JSONL, "read", lambda *_: pytest.fail("a file was read again"))
    assert intake.new_records(workspace) == len(expected) == 3


def test_files_wait_in_the_order_in_which_they_were_handed_in(tmp_path: Path) -> None:
    files = [lines(tmp_path / f"{number}.jsonl", preference(number, "text")) for number in range(30)]
    workspace = Workspace(tmp_path / "workspace")
    intake.hand_in(workspace, files)
    assert [file.read_bytes() for file in intake.waiting(workspace)] == [file.read_bytes() for file in files]


def test_what_a_killed_import_left_is_removed_and_not_counted(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    file = lines(tmp_path / "votes.jsonl", GOOD)
    intake.hand_in(workspace, [file])
    left = lines(workspace.inbox / ".import.abcdefgh.draft" / "half.jsonl", GOOD | {"prompt": "Is it far?"})
    assert intake.new_records(workspace) == 1
    intake.hand_in(workspace, [file])
    assert not left.parent.exists()
    assert [path.name for path in workspace.inbox.iterdir()] == [path.name for path in intake.waiting(workspace)]


def test_records_of_a_forgotten_annotator_are_not_taken_in(tmp_path: Path) -> None:
    workspace = at(tmp_path / "workspace")
    tombstones.add(workspace, "ana", "bo", "asked", (), ())
    file = lines(tmp_path / "votes.jsonl", GOOD | {"annotator_id": "ana"}, GOOD | {"annotator_id": "cem"})
    with pytest.raises(BadFeedback, match="forgotten annotator"):
        intake.hand_in(workspace, [file])
    assert intake.hand_in(workspace, [file], skip_bad=True)[:4] == (1, 1, 1, 1)
    [event] = intake.inbox_events(workspace)
    assert event.annotator_id == "cem"


def test_a_record_with_the_id_of_another_is_a_fault_in_the_same_file_and_in_another(tmp_path: Path) -> None:
    """What is acknowledged is what the next round counts."""
    first = GOOD | {"source": "desk", "source_id": "doc1"}
    other = first | {"prompt": "Is it far?"}
    workspace = Workspace(tmp_path / "workspace")
    both = lines(tmp_path / "both.jsonl", first, other, first | {"source_id": "doc2"})
    with pytest.raises(BadFeedback, match=r"1 records cannot be used(?s:.*)is that of another record"):
        intake.hand_in(workspace, [both])
    assert intake.hand_in(workspace, [both], skip_bad=True)[:4] == (1, 2, 2, 1)
    later = lines(tmp_path / "later.jsonl", other, first | {"source_id": "doc3"})
    assert intake.hand_in(workspace, [later], skip_bad=True)[:4] == (1, 1, 1, 1)
    assert intake.new_records(workspace) == 3
    metrics, _ = ingested(tmp_path)
    assert (metrics["new"], metrics["quarantined"]) == (3, 0)
    assert intake.hand_in(workspace, [later], skip_bad=True)[:4] == (1, 1, 0, 1)


def test_the_same_record_again_is_no_fault_and_not_new(tmp_path: Path) -> None:
    record = GOOD | {"source": "desk", "source_id": "doc1"}
    workspace = Workspace(tmp_path / "workspace")
    intake.hand_in(workspace, [lines(tmp_path / "a.jsonl", record)])
    again = lines(tmp_path / "b.jsonl", record, record | {"source_id": "doc2"})
    assert intake.hand_in(workspace, [again])[:4] == (1, 2, 1, 0)


def test_a_file_whose_name_is_not_utf_8_is_listed_and_blocks_no_other(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    named = lines(workspace.inbox / os.fsdecode(b"votes\xff.jsonl"), BAD)
    good = lines(workspace.inbox / "good.jsonl", GOOD)
    assert (intake.waiting(workspace), intake.unread(workspace)) == ([good], [named])
    assert len(intake.inbox_events(workspace)) == 1
