from pathlib import Path

import pytest

from core.errors import BadFeedback
from feedback.fieldmap import FieldMap
from feedback.schema import FeedbackEvent
from feedback.sources import Intake
from feedback.sources.table import Table


def events(source: Table) -> list[FeedbackEvent]:
    return [record for record in source.read(Intake(3, seed=0)) if isinstance(record, FeedbackEvent)]


def test_a_folder_of_files_of_known_forms(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("prompt,chosen,rejected\nA?,yes,no\n")
    (tmp_path / "a.json").write_text('[{"prompt": "Q?", "completion": "A"}]')
    assert [(event.source, event.kind, event.round) for event in events(Table(path=tmp_path))] == [
        ("a", "demonstration", 3),
        ("b", "comparison", 3),
    ]


def test_a_map_reads_other_columns(tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text("q,left,right,vote\nA?,yes,no,r\n")
    winner = {"path": "vote", "values": {"l": 0, "r": 1}}
    fields = FieldMap.model_validate({"prompt": "q", "answers": ["left", "right"], "winner": winner})
    [event] = events(Table(path=tmp_path / "votes.csv", map=fields))
    assert event.judgements[0].ranks == (2, 1)


def test_check_raises_for_a_missing_folder_and_another_kind_of_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(BadFeedback, match="no file of records"):
            Table(path=path).check()
    (tmp_path / "votes.csv").write_text("<html>")
    with pytest.raises(BadFeedback, match="HTML"):
        Table(path=tmp_path).check()
