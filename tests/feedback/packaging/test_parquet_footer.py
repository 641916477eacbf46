import io
import struct

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import BadFeedback
from feedback.packaging.parquet_footer import schema_depth
from tests.feedback.packaging.nested_parquet import nested

TURNS = pa.array([[{"role": "user", "content": "Q?", "seen": True}]])
PAIRS = pa.array([[("a", 1.5)]], pa.map_(pa.string(), pa.float64()))


@pytest.mark.parametrize(("groups", "levels"), [(0, 1), (1, 2), (100_000, 100_001)])
def test_the_levels_of_a_schema_are_counted_without_recursion(groups: int, levels: int) -> None:
    assert schema_depth(io.BytesIO(nested(groups))) == levels


def test_of_two_schemas_the_deeper_one_counts() -> None:
    assert schema_depth(io.BytesIO(nested(3, 1))) == schema_depth(io.BytesIO(nested(1, 3))) == 4


def test_the_footer_of_pyarrow_is_read_to_its_end() -> None:
    """Each level of a list has two levels in the schema: `turns`, `list`, `element`, `role`."""
    file = io.BytesIO()
    pq.write_table(pa.table({"turns": TURNS, "pairs": PAIRS, "n": [1]}), file, row_group_size=1)
    assert schema_depth(file) == 4
    assert file.tell() == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"PAR1",
        b"PAR1" + struct.pack("<I", 2**31) + b"PAR1",
        b"PAR1\x15\x80" + struct.pack("<I", 2) + b"PAR1",
        b"PAR1" + b"\x1c" * 100 + b"\0" * 101 + struct.pack("<I", 201) + b"PAR1",
        nested(5)[:-8],
    ],
)
def test_a_damaged_footer_is_refused(raw: bytes) -> None:
    with pytest.raises(BadFeedback, match=r"the file is damaged .*download it again"):
        schema_depth(io.BytesIO(raw))
