import bz2
import gzip
import json
import lzma
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import BadFeedback
from feedback import lines, packaging
from feedback.limits import SizeLimitSettings, event_problem, is_too_deep
from feedback.schema import FeedbackEvent, Judgement, RejectedRecord
from tests.feedback.examples import event

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
    with pytest.raises(BadFeedback, match="the rows have more than 100,000 bytes"):
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
