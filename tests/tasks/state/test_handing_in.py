"""What is handed in: checked as a whole, and taken in with the same ids, or refused."""

import gzip
import json
from pathlib import Path

import pytest

from core.errors import BadFeedback
from feedback.fieldmap import FieldMap
from tasks.state import handing_in, inbox, intake, tombstones
from tasks.state.choosing import at
from tasks.state.workspace import Workspace
from tests.tasks.state.handed_in import BAD, GOOD, ingested, lines


def test_a_compressed_file_keeps_its_bytes_and_is_counted_once(tmp_path: Path) -> None:
    plain = lines(tmp_path / "votes.jsonl", GOOD)
    packed = tmp_path / "votes.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    workspace = Workspace(tmp_path / "workspace")
    handing_in.hand_in(workspace, [packed])
    [stored] = inbox.files(workspace)
    assert stored.name.endswith(".jsonl.gz")
    assert stored.read_bytes() == packed.read_bytes()
    handing_in.hand_in(workspace, [plain, packed])
    assert inbox.files(workspace) == [stored]
    assert intake.new_records(workspace) == 1


def test_the_files_of_a_folder_are_handed_in(tmp_path: Path) -> None:
    lines(tmp_path / "folder" / "a.jsonl", GOOD)
    lines(tmp_path / "folder" / "sub" / "b.json", GOOD | {"prompt": "Is it far?"})
    (tmp_path / "folder" / "notes.txt").write_text("no feedback")
    workspace = Workspace(tmp_path / "workspace")
    assert handing_in.hand_in(workspace, [tmp_path / "folder"]).files == 2
    assert intake.new_records(workspace) == 2


def test_a_folder_without_files_of_records_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadFeedback, match="no file of records"):
        handing_in.hand_in(Workspace(tmp_path / "workspace"), [lines(tmp_path / "a.jsonl", GOOD), tmp_path / "folder"])
    assert not (tmp_path / "workspace").exists()


def test_all_kinds_of_fault_are_counted_and_nothing_is_taken_in(tmp_path: Path) -> None:
    first = lines(tmp_path / "a.jsonl", GOOD, *[BAD] * 7, {"prompt": "Q?"})
    second = lines(tmp_path / "b.jsonl", GOOD, GOOD | {"chosen": "No idea."})
    with pytest.raises(BadFeedback) as refusal:
        handing_in.hand_in(Workspace(tmp_path / "workspace"), [first, second])
    message = str(refusal.value)
    assert message.startswith("9 records cannot be used")
    assert [line.split(": ")[0].strip() for line in message.splitlines()[1:]] == [
        "7 × a.jsonl:2",
        "1 × a.jsonl:9",
        "1 × b.jsonl:2",
    ]
    assert "--skip-bad" in message
    assert inbox.files(Workspace(tmp_path / "workspace")) == []


def test_good_records_are_taken_in_and_the_others_written_beside(tmp_path: Path) -> None:
    file = lines(tmp_path / "votes.jsonl", BAD, GOOD, GOOD)
    workspace = Workspace(tmp_path / "workspace")
    handed_in = handing_in.hand_in(workspace, [file], skip_bad=True)
    beside = tmp_path / "votes.jsonl.rejected.jsonl"
    assert handed_in == handing_in.HandedIn(1, 2, 2, 1, (beside,))
    [rejected] = [json.loads(line) for line in beside.read_text().splitlines()]
    assert (rejected["where"], json.loads(rejected["record"])) == ("votes.jsonl:1", BAD)
    assert rejected["reason"].startswith("rejected is missing")

    metrics, ids = ingested(tmp_path)
    assert (metrics["new"], metrics["quarantined"]) == (2, 0)
    alone = Workspace(tmp_path / "alone")
    handing_in.hand_in(alone, [lines(tmp_path / "good.jsonl", GOOD, GOOD)])
    assert {event.feedback_id for event in intake.inbox_events(alone)} == ids


def test_the_good_rows_of_a_table_keep_their_ids(tmp_path: Path) -> None:
    table = tmp_path / "votes.csv"
    table.write_text("prompt,chosen,rejected\nA?,yes,no\nB?,no,no\n")
    workspace = Workspace(tmp_path / "workspace")
    assert handing_in.hand_in(workspace, [table], skip_bad=True).records == 1
    table.write_text("prompt,chosen,rejected\nA?,yes,no\n")
    alone = Workspace(tmp_path / "alone")
    handing_in.hand_in(alone, [table])
    ids = [{event.feedback_id for event in intake.inbox_events(one)} for one in (workspace, alone)]
    assert ids[0] == ids[1] != set()


def test_a_file_without_a_usable_record_is_refused_also_with_skip_bad(tmp_path: Path) -> None:
    with pytest.raises(BadFeedback, match="none of 1 records can be used"):
        handing_in.hand_in(Workspace(tmp_path / "workspace"), [lines(tmp_path / "a.jsonl", BAD)], skip_bad=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_records_that_are_read_by_a_map_are_stored_in_the_canonical_form(tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text("q,left,right,vote\nA?,yes,no,r\nB?,yes,no,l\n")
    winner = {"path": "vote", "values": {"l": 0, "r": 1}}
    fields = FieldMap.model_validate({"prompt": "q", "answers": ["left", "right"], "winner": winner})
    workspace = Workspace(tmp_path / "workspace")
    assert handing_in.hand_in(workspace, [tmp_path / "votes.csv"], fields=fields).records == 2
    assert [event.judgements[0].ranks for event in intake.inbox_events(workspace)] == [(2, 1), (1, 2)]
    assert ingested(tmp_path)[0]["new"] == 2


def test_records_of_a_forgotten_annotator_are_not_taken_in(tmp_path: Path) -> None:
    workspace = at(tmp_path / "workspace")
    tombstones.add(workspace, "ana", "bo", "asked", (), ())
    file = lines(tmp_path / "votes.jsonl", GOOD | {"annotator_id": "ana"}, GOOD | {"annotator_id": "cem"})
    with pytest.raises(BadFeedback, match="forgotten annotator"):
        handing_in.hand_in(workspace, [file])
    assert handing_in.hand_in(workspace, [file], skip_bad=True)[:4] == (1, 1, 1, 1)
    [event] = intake.inbox_events(workspace)
    assert event.annotator_id == "cem"


def test_a_record_with_the_id_of_another_is_a_fault_in_the_same_file_and_in_another(tmp_path: Path) -> None:
    """What is acknowledged is what the next round counts."""
    first = GOOD | {"source": "desk", "source_id": "doc1"}
    other = first | {"prompt": "Is it far?"}
    workspace = Workspace(tmp_path / "workspace")
    both = lines(tmp_path / "both.jsonl", first, other, first | {"source_id": "doc2"})
    with pytest.raises(BadFeedback, match=r"1 records cannot be used(?s:.*)is that of another record"):
        handing_in.hand_in(workspace, [both])
    assert handing_in.hand_in(workspace, [both], skip_bad=True)[:4] == (1, 2, 2, 1)
    later = lines(tmp_path / "later.jsonl", other, first | {"source_id": "doc3"})
    assert handing_in.hand_in(workspace, [later], skip_bad=True)[:4] == (1, 1, 1, 1)
    assert intake.new_records(workspace) == 3
    metrics, _ = ingested(tmp_path)
    assert (metrics["new"], metrics["quarantined"]) == (3, 0)
    assert handing_in.hand_in(workspace, [later], skip_bad=True)[:4] == (1, 1, 0, 1)


def test_the_same_record_again_is_no_fault_and_not_new(tmp_path: Path) -> None:
    record = GOOD | {"source": "desk", "source_id": "doc1"}
    workspace = Workspace(tmp_path / "workspace")
    handing_in.hand_in(workspace, [lines(tmp_path / "a.jsonl", record)])
    again = lines(tmp_path / "b.jsonl", record, record | {"source_id": "doc2"})
    assert handing_in.hand_in(workspace, [again])[:4] == (1, 2, 1, 0)
