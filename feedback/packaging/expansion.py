"""How large rows of Arrow become as JSON, counted before they are Python objects: a dictionary repeats a text for free.

The count is a lower bound: what is above a limit by it is above the limit in JSON.
"""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import BadFeedback
from feedback.limits import MOST_COLUMNS

_COLUMN = 7
"""Least bytes of a column of a row beside its name: `"": 1`, and the separator, or the braces of the row."""
_FIELD = 5
"""Least bytes of a field of an object beside its name: `"": 1`."""
_ELEMENT = 2
"""Least bytes of an element of a list, other than its own: `, `, or the brackets."""
_MOST_FIELDS = 10 * MOST_COLUMNS
"""Fields of a schema, nested ones included."""
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
_VIEWS = (pa.types.is_string_view, pa.types.is_binary_view)
_SHARING = (pa.types.is_run_end_encoded, pa.types.is_list_view, pa.types.is_large_list_view, pa.types.is_union)
"""Types of which one row can repeat the values of all others, at every level."""


def check_types(schema: pa.Schema) -> None:
    """Check that all types can be counted.

    Raises:
        BadFeedback: a column has a type that is not read, or there are too many nested fields.
    """
    waiting = [(field.name, field.type) for field in schema]
    count = 0
    while waiting:
        column, kind = waiting.pop()
        count += 1
        if count > _MOST_FIELDS:
            raise BadFeedback(f"the columns have more than {_MOST_FIELDS:,} nested fields; leave some out")
        if any(is_type(kind) for is_type in _SHARING) or (pa.types.is_dictionary(kind) and not _is_plain(kind)):
            raise BadFeedback(f"the column {column[:60]!r} has the type {str(kind)[:60]}; write it as texts or lists")
        waiting += [(column, inner) for inner in _inner(kind)]


def least_row(schema: pa.Schema) -> int:
    """Least bytes of a row as JSON: its names, with a value each."""
    return sum(len(name.encode(errors="replace")) + _COLUMN for name in schema.names)


def least_bytes(rows: pa.RecordBatch) -> int:
    """Least bytes of these rows as JSON."""
    return least_row(rows.schema) * int(rows.num_rows) + sum(_bytes(column) for column in rows.columns)


def _inner(kind: pa.DataType) -> Iterable[pa.DataType]:
    if pa.types.is_dictionary(kind):
        return (kind.value_type,)
    if isinstance(kind, pa.BaseExtensionType):
        return (kind.storage_type,)
    return (kind.field(ix).type for ix in range(kind.num_fields))


def _is_plain(kind: pa.DictionaryType) -> bool:
    """Whether the values of a dictionary are texts, bytes or numbers."""
    return kind.value_type.num_fields == 0 and not isinstance(kind.value_type, pa.BaseExtensionType | pa.DictionaryType)


def _bytes(array: pa.Array) -> int:
    """Least bytes of the values of an array, without what separates them."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _bytes(array.storage)
    if pa.types.is_dictionary(kind):
        return _of_dictionary(array)
    if any(is_type(kind) for is_type in _TEXTS):
        return int(pc.sum(pc.binary_length(array)).as_py() or 0)
    if any(is_type(kind) for is_type in _VIEWS):
        return int(_view_lengths(array).sum())
    if pa.types.is_map(kind):
        pairs = array.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))).flatten()
        return _ELEMENT * len(pairs) + sum(_bytes(values) for values in pairs.flatten())  # pairs become lists
    if any(is_type(kind) for is_type in _LISTS):
        values = array.flatten()
        return _ELEMENT * len(values) + _bytes(values)
    if pa.types.is_struct(kind):
        names = sum(len(field.name) + _FIELD for field in kind)
        return names * (len(array) - int(array.null_count)) + sum(_bytes(values) for values in array.flatten())
    return 0


def _of_dictionary(array: pa.DictionaryArray) -> int:
    """Each value that occurs is measured once."""
    counts = pc.value_counts(array.indices.drop_null())
    kind = array.type.value_type
    if any(is_type(kind) for is_type in _TEXTS):
        values = array.dictionary.take(counts.field("values"))
        lengths = pc.fill_null(pc.binary_length(values), 0).to_numpy(zero_copy_only=False)
    elif any(is_type(kind) for is_type in _VIEWS):  # pyarrow takes no views
        lengths = _view_lengths(array.dictionary)[counts.field("values").to_numpy()]
    else:
        return 0
    return int((lengths.astype(np.int64) * counts.field("counts").to_numpy()).sum())


def _view_lengths(array: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Bytes of each text: a view of 16 bytes begins with it."""
    if not len(array):
        return np.zeros(0, np.int64)
    lengths = np.frombuffer(array.buffers()[1], np.int32)[4 * array.offset :: 4][: len(array)].astype(np.int64)
    return np.where(array.is_valid().to_numpy(zero_copy_only=False), lengths, 0)
