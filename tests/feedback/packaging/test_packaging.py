"""The same records in every kind of file and compression; files that are not read are named with a cure."""

import bz2
import csv
import gzip
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import BadFeedback
from feedback import packaging
from feedback.packaging.compression import Compression
from feedback.packaging.kinds import FileKind

RECORDS = [
    {"prompt": "Wo? 你好", "chosen": 'He said "no",\nthen left.', "rejected": "\ttab"},
    {"prompt": "A?", "chosen": "yes; or | no", "rejected": "no"},
]


def _jsonl(records: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def _delimited(records: list[dict[str, Any]], mark: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(records[0]), delimiter=mark)
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode()


def _parquet(records: list[dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), stream)
    return stream.getvalue()


def _arrow(records: list[dict[str, Any]], new: Callable[..., Any]) -> bytes:
    stream, table = io.BytesIO(), pa.Table.from_pylist(records)
    with new(stream, table.schema) as writer:
        writer.write_table(table)
    return stream.getvalue()


WRITERS: dict[str, tuple[FileKind, Callable[[list[dict[str, Any]]], bytes]]] = {
    "lines": (FileKind.JSON_LINES, _jsonl),
    "array": (FileKind.JSON_ARRAY, lambda records: json.dumps(records).encode()),
    "indented array": (FileKind.JSON_ARRAY, lambda records: json.dumps(records, indent=2).encode()),
    "csv": (FileKind.CSV, lambda records: _delimited(records, ",")),
    "semicolons": (FileKind.CSV, lambda records: b"\xef\xbb\xbf" + _delimited(records, ";")),
    "tsv": (FileKind.TSV, lambda records: _delimited(records, "\t")),
    "parquet": (FileKind.PARQUET, _parquet),
    "arrow file": (FileKind.ARROW, lambda records: _arrow(records, pa.ipc.new_file)),
    "arrow stream": (FileKind.ARROW, lambda records: _arrow(records, pa.ipc.new_stream)),
}
COMPRESS: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.NONE: bytes,
    Compression.GZIP: gzip.compress,
    Compression.BZIP2: bz2.compress,
    Compression.XZ: lzma.compress,
    Compression.ZSTD: lambda content: pa.compress(content, codec="zstd", asbytes=True),
    Compression.LZ4: lambda content: pa.compress(content, codec="lz4", asbytes=True),
}


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("form", WRITERS)
def test_kind_and_compression_are_found_from_the_bytes(tmp_path: Path, form: str, compression: Compression) -> None:
    kind, write = WRITERS[form]
    file = tmp_path / "export"
    file.write_bytes(COMPRESS[compression](write(RECORDS)))
    assert packaging.detect(file) == (kind, compression)
    assert [json.loads(record.raw) for record in packaging.records(file)] == RECORDS


@pytest.mark.parametrize(
    ("content", "named", "cure"),
    [
        (b"", "empty", "name a file"),
        (b" \n\n", "empty", "name a file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "Git LFS pointer", "git lfs pull"),
        ('{"prompt": "a"}'.encode("utf-16"), "UTF-16", "iconv"),
        ('{"prompt": "a"}'.encode("utf-16-le"), "UTF-16", "iconv"),
        (b"<!DOCTYPE html><html>", "HTML", "download"),
        (b"PK\x03\x04rest", "ZIP", "unpack"),
        (b"SQLite format 3\0rest", "SQLite", "CSV"),
        (b"Just a sentence without columns\n", "no kind that is read", "write it as JSON lines"),
        (b"Word\n", "no kind that is read", "write it as JSON lines"),
        (b"prompt,chosen,f\xfcr\n", "not UTF-8", "iconv"),
        (b'{\n  "prompt": "a"\n}\n', "spread over lines", "jq -c"),
    ],
)
def test_a_file_that_is_not_read_is_named_with_a_cure(tmp_path: Path, content: bytes, named: str, cure: str) -> None:
    (tmp_path / "votes.jsonl").write_bytes(content)
    with pytest.raises(BadFeedback) as caught:
        list(packaging.records(tmp_path / "votes.jsonl"))
    assert "votes.jsonl" in str(caught.value)
    assert named in str(caught.value)
    assert cure in str(caught.value)


@pytest.mark.parametrize("compression", [one for one in COMPRESS if one is not Compression.NONE])
def test_a_truncated_file_is_damaged(tmp_path: Path, compression: Compression) -> None:
    whole = COMPRESS[compression](_jsonl(RECORDS * 200))
    (tmp_path / "votes").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadFeedback, match=r"votes: the file is damaged .*download it again"):
        list(packaging.records(tmp_path / "votes"))


@pytest.mark.parametrize("form", ["parquet", "arrow file"])
def test_a_truncated_table_is_damaged(tmp_path: Path, form: str) -> None:
    whole = WRITERS[form][1](RECORDS)
    (tmp_path / "votes").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadFeedback, match=r"votes: the file is damaged .*download it again"):
        list(packaging.records(tmp_path / "votes"))


def test_an_array_that_breaks_off_names_the_record(tmp_path: Path) -> None:
    (tmp_path / "votes.json").write_bytes(b'[{"a": 1},\n {"a": 2}, {"a": ')
    with pytest.raises(BadFeedback, match="record 3 of the JSON array is broken"):
        list(packaging.records(tmp_path / "votes.json"))


def test_a_long_array_is_read_in_blocks(tmp_path: Path) -> None:
    records = [{"n": number, "text": "你" * 997} for number in range(200)]
    (tmp_path / "votes.json").write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    assert [json.loads(record.raw)["n"] for record in packaging.records(tmp_path / "votes.json")] == [*range(200)]


def test_a_row_with_another_number_of_fields_is_a_problem_of_the_row(tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text('prompt,chosen\n"two\nlines",yes\nA?,yes,no\nB?,no\n')
    read = list(packaging.records(tmp_path / "votes.csv"))
    assert [(record.number, record.problem) for record in read] == [
        (2, None),
        (4, "the row has 3 fields, expected 2 as in the header"),
        (5, None),
    ]


def test_a_single_column_is_read(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Q, or not?"}, {"role": "assistant", "content": "A"}]
    (tmp_path / "chats.csv").write_text(_delimited([{"messages": json.dumps(turns)}], ",").decode())
    assert packaging.detect(tmp_path / "chats.csv") == (FileKind.CSV, Compression.NONE)
    assert [json.loads(record.raw) for record in packaging.records(tmp_path / "chats.csv")] == [{"messages": turns}]


def test_a_text_below_one_word_is_a_problem_of_its_rows(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("Hello\nWell, that is no table\n")
    [record] = packaging.records(tmp_path / "notes")
    assert record.problem == "the row has 2 fields, expected 1 as in the header"


def test_an_empty_cell_is_null_and_a_conversation_is_read(tmp_path: Path) -> None:
    turns = '"[{""role"": ""user"", ""content"": ""Hi""}]"'
    (tmp_path / "votes.csv").write_text(f'prompt,chosen,annotator_id\n{turns},"{{""a"": 1}}",\n')
    [record] = packaging.records(tmp_path / "votes.csv")
    assert json.loads(record.raw) == {
        "prompt": [{"role": "user", "content": "Hi"}],
        "chosen": '{"a": 1}',
        "annotator_id": None,
    }


def test_missing_numbers_and_times_of_a_table(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [float("nan")], "t": pa.array([0], pa.timestamp("s"))}), tmp_path / "a.parquet")
    [record] = packaging.records(tmp_path / "a.parquet")
    assert json.loads(record.raw) == {"n": None, "t": "1970-01-01T00:00:00"}


def test_the_files_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.jsonl.gz", "a.csv", "sub/c.parquet", "notes.txt", ".hidden.jsonl", "dataset_info.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [file.relative_to(tmp_path).as_posix() for file in packaging.files_in(tmp_path)]
    assert names == ["a.csv", "b.jsonl.gz", "sub/c.parquet"]


@pytest.mark.parametrize("name", ["votes.jsonl", "votes.jsonl.gz", "votes.csv.zst", "votes.parquet", "votes"])
def test_the_stem_of_a_name(name: str) -> None:
    assert packaging.stem(name) == "votes"


def test_the_index_column_of_pandas_is_kept_under_a_name(tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text(",prompt,chosen\n0,Q?,yes\n")
    [record] = packaging.records(tmp_path / "votes.csv")
    assert json.loads(record.raw) == {"column_1": "0", "prompt": "Q?", "chosen": "yes"}


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("prompt,answer,answer", "alike: answer; rename"),
        ("prompt, prompt,chosen", "alike: prompt; rename"),
        (",prompt,column_1", "alike: column_1; rename"),
        ("prompt,,chosen", "no name for column 2; write one"),
    ],
)
def test_a_header_with_names_that_are_missing_or_alike(tmp_path: Path, header: str, problem: str) -> None:
    (tmp_path / "votes.csv").write_text(f"{header}\na,b,c\n")
    with pytest.raises(BadFeedback, match=problem):
        packaging.detect(tmp_path / "votes.csv")
