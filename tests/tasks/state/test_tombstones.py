"""Tombstones on disk, and that a round which opens later has other inputs."""

from pathlib import Path

import pytest

from core.errors import Damaged
from feedback.forgotten import pseudonym
from tasks.state import tombstones
from tasks.state.inputs import Inputs
from tasks.state.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "data").mkdir()
    return Workspace(tmp_path)


def test_lines_are_added_and_never_have_the_id(workspace: Workspace) -> None:
    assert tombstones.forgotten(workspace) == ()
    tombstones.add(workspace, "ana", "bo", "asked\u2028for it", (1, 2), ())
    tombstones.add(workspace, "ana", "bo", "again", (3,), (2,), purged=True)
    tombstones.add(workspace, "cem", "bo", "left", (), ())
    assert [stone.why for stone in tombstones.read(workspace)] == ["asked\u2028for it", "again", "left"]
    assert tombstones.forgotten(workspace) == tuple(sorted(map(pseudonym, ("ana", "cem"))))
    assert tombstones.about(workspace, "ana")[:2] == ((1, 2, 3), (2,))
    assert tombstones.about(workspace, "nobody").since is None
    assert b"ana" not in workspace.tombstones.read_bytes()


def test_who_is_forgotten_is_known_at_once(workspace: Workspace) -> None:
    assert not tombstones.is_forgotten(workspace, "ana")
    tombstones.add(workspace, "ana", "bo", "asked", (), ())
    assert [tombstones.is_forgotten(workspace, name) for name in ("ana", "cem")] == [True, False]
    tombstones.add(workspace, "cem", "bo", "left", (), ())
    assert tombstones.is_forgotten(workspace, "cem")


def test_a_damaged_line_stops_everything(workspace: Workspace) -> None:
    workspace.tombstones.write_text('{"annotator": \n')
    with pytest.raises(Damaged, match=r"tombstones\.jsonl:1"):
        tombstones.forgotten(workspace)


def test_a_round_of_before_keeps_the_text_of_its_inputs() -> None:
    base = {"number": 1, "seed": 2, "salt": "s", "base": {"name": "b", "digest": "d"}, "code": "c"}
    before = Inputs.from_json({**base, "feedback": "f", "params": {}})
    assert "forgotten" not in before.to_yaml()
    assert "forgotten:\n- abc" in before.model_copy(update={"forgotten": ("abc",)}).to_yaml()
