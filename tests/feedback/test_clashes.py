"""Two records under one id: the same record twice is none, other content is rejected."""

from pathlib import Path

from feedback.inspection import inspect
from tests.tasks.state.handed_in import GOOD, lines

FIRST = GOOD | {"source": "desk", "source_id": "doc1"}


def test_inspect_rejects_what_an_import_rejects(tmp_path: Path) -> None:
    file = lines(tmp_path / "votes.jsonl", FIRST, FIRST | {"prompt": "Is it far?"}, FIRST | {"source_id": "doc2"})
    found = inspect(file)
    assert (found.usable, found.rejected) == (2, 1)
    assert "votes.jsonl:2" in found.faults[0]


def test_the_same_record_twice_is_no_clash(tmp_path: Path) -> None:
    found = inspect(lines(tmp_path / "votes.jsonl", FIRST, FIRST))
    assert (found.usable, found.rejected) == (2, 0)
