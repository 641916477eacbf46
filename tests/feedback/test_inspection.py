import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest

from core.errors import BadFeedback
from feedback.fieldmap import FieldMap
from feedback.inspection import inspect
from feedback.packaging.compression import Compression
from feedback.packaging.kinds import FileKind

GOOD = {"prompt": "Is it open?", "chosen": "Until six.", "rejected": "No idea."}


def test_what_a_file_is_and_how_its_records_would_be_read(tmp_path: Path) -> None:
    records = [{"prompt": "Q?", "completion": "A"}, GOOD, GOOD, GOOD, {"prompt": "Q?", "chosen": "A"}]
    content = "".join(json.dumps(record) + "\n" for record in records).encode()
    (tmp_path / "export").write_bytes(gzip.compress(content))
    inspection = inspect(tmp_path / "export")
    assert inspection.packings == {(FileKind.JSON_LINES, Compression.GZIP): 1}
    assert inspection.forms == {"preference": 3, "demonstration": 1}
    assert [where for where, _ in inspection.examples] == ["export:1", "export:2", "export:3"]
    assert (inspection.usable, inspection.rejected) == (4, 1)
    assert inspection.faults == ["1 × export:5: rejected is missing, expected one of the forms in docs/feedback.md"]
    assert inspection.records == []
    assert (inspection.prompts, inspection.answers) == ((3, 3), (2, 2))
    assert inspection.unlicensed == 4


def test_the_lengths_of_texts_in_words(tmp_path: Path) -> None:
    answers = ["one", "one two", "one two three four"]
    (tmp_path / "a.jsonl").write_text(
        "".join(json.dumps({"prompt": "Q?", "completion": text}) + "\n" for text in answers)
    )
    assert inspect(tmp_path / "a.jsonl").answers == (2, 4)


def test_the_first_records_of_a_file_of_which_none_can_be_used(tmp_path: Path) -> None:
    record = {"q": "Q?", "left": "A", "right": "B", "vote": "left"}
    (tmp_path / "a.jsonl").write_text((json.dumps(record) + "\n") * 200)
    inspection = inspect(tmp_path / "a.jsonl")
    assert (inspection.usable, inspection.rejected, inspection.records) == (0, 200, [record] * 100)


def test_a_map_that_only_adds_fields_leaves_the_form(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(GOOD) + "\n")
    inspection = inspect(tmp_path / "a.jsonl", FieldMap(constant={"licence": "MIT"}))
    assert (inspection.forms, inspection.unlicensed) == ({"preference": 1}, 0)


def test_a_file_that_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "votes.jsonl").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(BadFeedback, match="git lfs pull"):
        inspect(tmp_path / "votes.jsonl")


def test_the_files_of_a_folder_are_read_together(tmp_path: Path) -> None:
    rows = pa.Table.from_pylist([GOOD, GOOD])
    (tmp_path / "train").mkdir()
    with pa.ipc.new_stream(str(tmp_path / "train" / "data-00000-of-00001.arrow"), rows.schema) as writer:
        writer.write_table(rows)
    (tmp_path / "train" / "state.json").write_text("{}")
    (tmp_path / "dataset_dict.json").write_text("{}")
    (tmp_path / "more.jsonl").write_text(json.dumps(GOOD) + "\n")
    inspection = inspect(tmp_path)
    assert inspection.packings == {(FileKind.JSON_LINES, Compression.NONE): 1, (FileKind.ARROW, Compression.NONE): 1}
    assert inspection.forms == {"preference": 3}
    assert [where for where, _ in inspection.examples] == [
        "more.jsonl:1",
        "data-00000-of-00001.arrow:1",
        "data-00000-of-00001.arrow:2",
    ]


def test_neither_a_file_nor_a_folder_of_records(tmp_path: Path) -> None:
    with pytest.raises(BadFeedback, match=r"nowhere: there is no such file; name a file or folder of records"):
        inspect(tmp_path / "nowhere")
    with pytest.raises(BadFeedback, match="the folder has no file of records; name"):
        inspect(tmp_path)
