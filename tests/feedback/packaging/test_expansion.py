import json
from typing import Any

import pyarrow as pa
import pytest

from core.errors import BadFeedback
from feedback.packaging.expansion import check_types, least_bytes
from feedback.packaging.raw import as_json

TEXTS = ["a", "bcd", None, "é", ""]
COLUMNS: dict[str, pa.Array] = {
    "text": pa.array(TEXTS),
    "large": pa.array(TEXTS, pa.large_string()),
    "view": pa.array([*TEXTS[:4], "x" * 100], pa.string_view()),
    "bytes": pa.array([b"a", b"\xff\xff", None, b"", b"b"]),
    "dictionary": pa.array(TEXTS).dictionary_encode(),
    "dictionary of views": pa.DictionaryArray.from_arrays([0, 1, 1, None, 0], pa.array(["x", "yy"], pa.string_view())),
    "dictionary of numbers": pa.array([7, 7, 7, 8, None]).dictionary_encode(),
    "list": pa.array([["a", "bb"], [], None, [None], ["c"]]),
    "numbers": pa.array([[1, 2, 3], [], None, [4], [5]]),
    "fixed": pa.array([[1, 2]] * 5, pa.list_(pa.int8(), 2)),
    "map": pa.array([[("k", "vv")], [], None, [("k", None)], []], pa.map_(pa.string(), pa.string())),
    "struct": pa.array([{"role": "user", "n": 1}, None, {"role": None, "n": 2}, None, {"role": "x", "n": None}]),
    "null": pa.nulls(5),
    "real": pa.array([0.5, None, 1e300, 2.0, 3.0]),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("rows", [slice(0, 5), slice(1, 3), slice(4, 5)])
def test_the_count_is_never_above_the_size_in_json(name: str, rows: slice) -> None:
    batch = pa.record_batch([COLUMNS[name]], [name]).slice(rows.start, rows.stop - rows.start)
    check_types(batch.schema)
    assert 0 < least_bytes(batch) <= sum(len(as_json(row)) for row in batch.to_pylist())


def repeated(text: str, count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays([0] * count, [text])


def test_each_row_of_a_dictionary_counts_its_text() -> None:
    """Ten rows `{"c": "x…"}`: the text, the name, and 7 bytes around both at least."""
    batch = pa.record_batch([repeated("x" * 1_000, 10)], ["c"])
    assert least_bytes(batch) == 10 * (1_000 + 1 + 7)
    assert least_bytes(batch.slice(3, 2)) == 2 * 1_008


def test_a_nested_dictionary_counts_for_each_element() -> None:
    array = pa.ListArray.from_arrays([0, 1_000], repeated("x" * 50, 1_000))
    batch = pa.record_batch([array], ["c"])
    assert 50_000 < least_bytes(batch) <= len(json.dumps(batch.to_pylist()[0]))


SHARED: list[pa.DataType] = [
    pa.list_view(pa.int8()),
    pa.run_end_encoded(pa.int32(), pa.string()),
    pa.list_(pa.struct([("a", pa.dictionary(pa.int8(), pa.list_(pa.string())))])),
]


@pytest.mark.parametrize("kind", SHARED)
def test_types_that_repeat_lists_are_refused_by_column(kind: Any) -> None:
    with pytest.raises(BadFeedback, match="'shared'"):
        check_types(pa.schema([("plain", pa.string()), ("shared", kind)]))


def test_nested_fields_are_counted() -> None:
    wide = pa.struct([(f"f{number}", pa.int8()) for number in range(10_000)])
    with pytest.raises(BadFeedback, match="10,000 nested fields"):
        check_types(pa.schema([("wide", wide)]))
