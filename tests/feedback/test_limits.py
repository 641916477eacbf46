import bz2
import gzip
import json
import lzma
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import BadFeedback
from feedback import lines, packaging
from feedback.limits import SizeLimitSettings, event_problem, is_too_deep
from feedback.schema import FeedbackEvent, Judgement, RejectedRecord
from tests.feedback.examples import event
from tests.feedback.packaging.nested_parquet import nested

PAIR = {"prompt": "Q?", "chosen": "Yes.", "rejected": "No."}
SMALL = SizeLimitSettings(text_bytes=50, record_bytes=200, file_bytes=1_000)


def read(file: Path, limits: SizeLimitSettings = SMALL) -> list[FeedbackEvent | RejectedRecord]:
    return list(lines.events(file, "s", {}, limits=limits))


def reasons(file: Path, limits: SizeLimitSettings = SMALL) -> list[str | None]:
    """The reason of each record; None for an event."""
    return [record.reason if isinstance(record, RejectedRecord) else None for record in read(file, limits)]


def written(file: Path, *records: Mapping[str, Any]) -> Path:
    file.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    return file


def test_a_text_is_measured_in_bytes_and_named(tmp_path: Path) -> None:
    exact, longer = PAIR | {"chosen": "é" * 25}, PAIR | {"chosen": [{"role": "assistant", "content": "é" * 26}]}
    found = reasons(written(tmp_path / "a.jsonl", exact, longer, PAIR))
    assert (found[0], found[2]) == (None, None)
    assert found[1] is not None
    assert found[1].startswith("chosen[0].content has 52 bytes, expected at most 50; shorten the text")
    assert "ingest.limits.text_bytes" in found[1]


def test_a_line_that_is_too_long_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    long = {"prompt": "a" * 5_000}
    file = written(tmp_path / "a.jsonl", PAIR, long, PAIR | {"prompt": "R?"})
    limits = SizeLimitSettings(text_bytes=50, record_bytes=200, file_bytes=10_000)
    size = len(json.dumps(long))
    assert reasons(file, limits) == [
        None,
        f"the record has {size:,} bytes, expected at most 200; split it, or raise ingest.limits.record_bytes in "
        "params.yaml",
        None,
    ]
    rejected = read(file, limits)[1]
    assert isinstance(rejected, RejectedRecord)
    assert (rejected.where, len(rejected.record)) == ("a.jsonl:2", 201)


def test_a_line_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    size = len(json.dumps(PAIR))
    file = tmp_path / "a.jsonl"
    for end in ("", "\n"):
        file.write_text(json.dumps(PAIR) + end)
        assert reasons(file, SizeLimitSettings(record_bytes=size)) == [None]
        assert reasons(file, SizeLimitSettings(record_bytes=size - 1)) != [None]


def test_a_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    with file.open("wb") as stream:
        stream.truncate(10_000_000_001)  # a hole: nothing is on disk
    with pytest.raises(BadFeedback, match=r"a\.jsonl has 10,000,000,001 bytes, .* 10,000,000,000; split .*file_bytes"):
        next(lines.read(file))


@pytest.mark.parametrize("opened", [gzip.open, bz2.open, lzma.open])
def test_a_bomb_is_stopped_at_the_limit(tmp_path: Path, opened: Callable[..., Any]) -> None:
    file = tmp_path / "a.jsonl"
    with opened(file, "wb") as stream:
        stream.write(b'{"prompt": "' + b"a" * 3_000_000)
    assert file.stat().st_size < 5_000
    limits = SizeLimitSettings(record_bytes=1_000, file_bytes=1_000_000)
    for reading in (lambda: read(file, limits), lambda: packaging.content_digest(file, limits)):
        with pytest.raises(BadFeedback, match=r"decompresses to more than 1,000,000 bytes.*ingest\.limits\.file_bytes"):
            reading()


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_so_is_one_of_arrow(tmp_path: Path, codec: str) -> None:
    file = tmp_path / "a.jsonl"
    with pa.CompressedOutputStream(pa.OSFile(str(file), "wb"), codec) as stream:
        stream.write(b'{"prompt": "' + b"a" * 3_000_000)
    with pytest.raises(BadFeedback, match="decompresses to more than 100,000 bytes"):
        read(file, SizeLimitSettings(file_bytes=100_000))


def test_rows_of_parquet_count_as_they_are_in_json(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    rows = 2_000
    pq.write_table(pa.table({name: pa.array(["x" * 1_000] * rows) for name in PAIR}), file)
    assert file.stat().st_size < 50_000
    with pytest.raises(BadFeedback, match=r"rows have more than 100,000 bytes.*ingest\.limits\.file_bytes"):
        read(file, SizeLimitSettings(file_bytes=100_000))
    [reason, *_] = reasons(file, SizeLimitSettings(record_bytes=1_000, text_bytes=1_000))
    assert reason is not None
    assert "the record has 3,0" in reason


def test_a_row_of_csv_that_does_not_end_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('prompt,chosen,rejected\nQ?,Yes.,No.\nR?,"Yes.\n' + "a\n" * 200)
    with pytest.raises(BadFeedback, match="row of line 3 has more than 200 characters"):
        read(file)


def test_a_header_may_not_make_rows_large(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(f"prompt,chosen,{'x' * 201}\n" + "a,b,c\n")
    with pytest.raises(BadFeedback, match="at most 200 characters"):
        read(file, SizeLimitSettings())
    file.write_text(",".join(f"c{number}" for number in range(1001)) + "\n")
    with pytest.raises(BadFeedback, match="names 1,001 columns"):
        read(file, SizeLimitSettings())


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_million_columns_are_too_many_columns(tmp_path: Path, end: str) -> None:
    file = tmp_path / "a.csv"
    file.write_text(",".join(f"c{number}" for number in range(10**6)) + end)
    with pytest.raises(BadFeedback, match=r"names more than 1,000 columns; leave out all but 1,000"):
        read(file, SizeLimitSettings())


def test_a_record_of_an_array_that_does_not_end_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(f'[{json.dumps(PAIR)}, {{"prompt": "{"a" * 200_000}')
    with pytest.raises(BadFeedback, match=r"record 2 of the JSON array .*ingest\.limits\.record_bytes"):
        read(file, SizeLimitSettings(record_bytes=1_000))


def test_an_event_without_a_file_has_the_same_limits() -> None:
    assert event_problem(event(), SizeLimitSettings()) is None
    long = event("a" * 51)
    assert str(event_problem(long, SizeLimitSettings(text_bytes=50))).startswith("prompt[0].content has 51 bytes")
    assert "the record has" in str(event_problem(event(), SizeLimitSettings(record_bytes=100)))
    assert "pairs" in str(event_problem(event(answers=tuple(map(str, range(200)))), SizeLimitSettings()))
    twice = event(judgements=tuple(Judgement(ranks=(1, 2)) for _ in range(21)))
    assert "21 entries by the criterion 'overall'" in str(event_problem(twice, SizeLimitSettings()))


@pytest.mark.parametrize(("levels", "deep"), [(100, False), (101, True)])
def test_depth_is_counted_in_lists_and_objects(levels: int, deep: bool) -> None:
    value: Any = 0
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    assert is_too_deep(value) is deep


def test_content_may_have_20_mb_or_so_many_times_the_size_of_the_file() -> None:
    limits = SizeLimitSettings(expansion=100, file_bytes=1_000_000_000)
    assert limits.content(1_000) == (20_000_000, "expansion")
    assert limits.content(300_000) == (30_000_000, "expansion")
    assert limits.content(10_000_000) == (1_000_000_000, "file_bytes")


def _repeated(text: str, count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), [text])


def _table(rows: int, length: int) -> pa.Table:
    return pa.table({"prompt": _repeated("Q?", rows), "chosen": _repeated("x" * length, rows)})


def _parquet(file: Path, table: pa.Table) -> None:
    pq.write_table(table, file, compression="zstd", store_schema=False)


def _arrow(file: Path, table: pa.Table) -> None:
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(file, table.schema, options=options) as writer:
        writer.write_table(table)


BOMBS: dict[str, pa.Table] = {
    "20,000 rows of 2 kB": _table(20_000, 2_000),
    "5 rows of 5 MB": _table(5, 5_000_000),
    "one row of 100,000 texts": pa.table(
        {"prompt": pa.ListArray.from_arrays(pa.array([0, 100_000], pa.int32()), _repeated("x" * 1_000, 100_000))}
    ),
    "one text": pa.table({"prompt": ["x" * 25_000_000]}),
    "a million rows of nulls": pa.table({"prompt": pa.nulls(1_000_000, pa.string())}),
    "one row of numbers": pa.table(
        {"prompt": pa.ListArray.from_arrays([0, 21_000_000], pa.array(np.zeros(21_000_000, np.int8)))}
    ),
}


@pytest.mark.parametrize("write", [_parquet, _arrow])
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_table_that_stands_for_much_is_refused_by_the_knob(
    tmp_path: Path, bomb: str, write: Callable[[Path, pa.Table], None]
) -> None:
    file = tmp_path / "bomb.parquet"
    write(file, BOMBS[bomb])
    assert file.stat().st_size < 200_000
    with pytest.raises(BadFeedback, match=r"bomb\.parquet: .*20,000,000 bytes.*ingest\.limits\.expansion"):
        list(packaging.records(file))


@pytest.mark.parametrize("write", [_parquet, _arrow])
def test_the_same_rows_are_read_where_the_knob_allows_it(
    tmp_path: Path, write: Callable[[Path, pa.Table], None]
) -> None:
    file = tmp_path / "a.parquet"
    write(file, _table(3_000, 10_000))
    rows = [json.loads(record.raw) for record in packaging.records(file, SizeLimitSettings(expansion=100_000))]
    assert rows == [{"prompt": "Q?", "chosen": "x" * 10_000}] * 3_000


def test_a_row_that_is_too_large_is_one_rejected_record(tmp_path: Path) -> None:
    """The text is longer than a record may be; the batch is so large that its rows are counted one by one."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int32()), ["short", "x" * 17_000_000])
    _parquet(tmp_path / "a.parquet", pa.table({"prompt": texts}))
    read = list(packaging.records(tmp_path / "a.parquet"))
    assert [record.number for record in read] == [1, 2, 3]
    assert [record.problem is None for record in read] == [True, False, True]
    assert "17,0" in str(read[1].problem)


def test_a_schema_of_many_levels_is_refused_before_pyarrow_reads_it(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(nested(20_000))
    with pytest.raises(BadFeedback, match=r"a\.parquet: the schema has 20,001 levels, expected at most 150"):
        list(packaging.records(tmp_path / "a.parquet"))


def test_the_names_of_columns_count_in_every_row_of_csv(tmp_path: Path) -> None:
    """900 empty cells a row are 900 bytes, and 180 kB of JSON."""
    file = tmp_path / "a.csv"
    header = ",".join(f"{number:03}{'x' * 190}" for number in range(900))
    file.write_text(f"{header}\n" + f"{',' * 899}\n" * 300)
    with pytest.raises(BadFeedback, match=r"rows have more than 44,\d{3},\d{3} bytes.*expansion"):
        list(packaging.records(file))
