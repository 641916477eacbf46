import io

import pyarrow as pa
import pytest

from feedback.packaging.ipc_sizes import batch_sizes

TABLE = pa.table({"text": pa.array(["x" * 1_000_000])})
"""Its buffers are two offsets of 4 bytes, and the text; a buffer of validity bits is left out."""


def stream(table: pa.Table, codec: str | None) -> io.BytesIO:
    file = io.BytesIO()
    with pa.ipc.new_stream(file, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table)
    return io.BytesIO(file.getvalue())


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_compressed_buffers_count_decompressed(codec: str) -> None:
    file = stream(TABLE, codec)
    assert len(file.getvalue()) < 10_000
    assert 1_000_008 <= sum(batch_sizes(file)) < 1_000_100, "the offsets are larger compressed"


def test_others_count_as_they_are() -> None:
    [_, size] = batch_sizes(stream(TABLE, None))  # of the schema, then of the rows
    assert 1_000_008 <= size < 1_000_200


def test_a_dictionary_counts_too() -> None:
    table = pa.table({"text": pa.array(["x" * 1_000] * 5).dictionary_encode()})
    schema, values, indices = batch_sizes(stream(table, "zstd"))
    assert schema == 0
    assert 1_008 <= values < 1_100
    assert 5 * 4 <= indices < 100
