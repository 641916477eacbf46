import gzip
import json
from pathlib import Path

import pytest

from core.errors import BadFeedback
from feedback.inspection import inspect
from feedback.packaging.compression import Compression
from feedback.packaging.kinds import FileKind

GOOD = {"prompt": "Is it open?", "chosen": "Until six.", "rejected": "No idea."}


def test_what_a_file_is_and_how_its_records_would_be_read(tmp_path: Path) -> None:
    records = [{"prompt": "Q?", "completion": "A"}, GOOD, GOOD, GOOD, {"prompt": "Q?", "chosen": "A"}]
    content = "".join(json.dumps(record) + "\n" for record in records).encode()
    (tmp_path / "export").write_bytes(gzip.compress(content))
    inspection = inspect(tmp_path / "export")
    assert (inspection.kind, inspection.compression) == (FileKind.JSON_LINES, Compression.GZIP)
    assert inspection.forms == {"preference": 3, "demonstration": 1}
    assert [where for where, _ in inspection.examples] == ["export:1", "export:2", "export:3"]
    assert (inspection.usable, inspection.rejected) == (4, 1)
    assert inspection.faults == ["1 × export:5: rejected is missing, expected one of the forms in docs/feedback.md"]
    assert inspection.columns == ["prompt", "completion"]


def test_a_file_that_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "votes.jsonl").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(BadFeedback, match="git lfs pull"):
        inspect(tmp_path / "votes.jsonl")
