"""Which folders can be workspaces."""

import os
from pathlib import Path

import pytest

from core.errors import BadWorkspace
from tasks.state.choosing import at, planned


def test_a_path_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    with pytest.raises(BadWorkspace, match="not UTF-8"):
        planned(folder)
    assert not folder.exists()


def test_odd_characters_in_a_path_are_allowed(tmp_path: Path) -> None:
    folder = tmp_path / "a ?b%20c#d é"
    assert at(folder).graph.exists()
