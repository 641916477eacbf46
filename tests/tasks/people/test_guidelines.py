from pathlib import Path

import pytest

from core.errors import BadWorkspace
from tasks.people import guidelines
from tasks.state.workspace import Workspace


def test_guidelines_have_the_version_of_their_content(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert guidelines.read(workspace) is None
    workspace.guidelines.write_text("# Be kind\n", encoding="utf-8")
    first = guidelines.read(workspace)
    assert first == ("b7323c97d031", "# Be kind\n")  # the beginning of its SHA-256
    workspace.guidelines.write_text("# Be kinder\n", encoding="utf-8")
    second = guidelines.read(workspace)
    assert second
    assert second.version != first[0]
    workspace.guidelines.write_bytes(b"\xff\xfe")
    with pytest.raises(BadWorkspace, match="save it as UTF-8"):
        guidelines.read(workspace)
