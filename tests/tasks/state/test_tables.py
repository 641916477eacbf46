from pathlib import Path

import pyarrow as pa

from tasks.state import tables


def test_a_table_is_loaded_memory_mapped(tmp_path: Path) -> None:
    tables.write(tmp_path / "pairs.arrow", pa.table({"text": ["a", "b"], "n": [1, 2]}))
    loaded = tables.load(tmp_path / "pairs.arrow")
    assert loaded.cache_files == [{"filename": str(tmp_path / "pairs.arrow")}]
    assert tables.rows(tmp_path / "pairs.arrow") == [{"text": "a", "n": 1}, {"text": "b", "n": 2}]


def test_an_empty_table_keeps_its_columns(tmp_path: Path) -> None:
    tables.write(tmp_path / "pairs.arrow", pa.schema([("text", pa.string())]).empty_table())
    loaded = tables.load(tmp_path / "pairs.arrow")
    assert (len(loaded), loaded.column_names) == (0, ["text"])
