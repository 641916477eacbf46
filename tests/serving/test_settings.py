import pytest

from core.errors import BadParams
from serving.settings import ServingSettings, settings
from tasks.state.workspace import Workspace


def test_without_a_file_the_defaults_hold(workspace: Workspace) -> None:
    assert settings(workspace) == ServingSettings()


def test_the_file_and_overrides_set_some(workspace: Workspace) -> None:
    workspace.serving.write_text("rows: 8\nwaiting: 3\n")
    chosen = settings(workspace, ["waiting=5"])
    assert (chosen.rows, chosen.waiting) == (8, 5)


def test_an_unknown_setting_is_named(workspace: Workspace) -> None:
    workspace.serving.write_text("row: 8\n")
    with pytest.raises(BadParams, match="row"):
        settings(workspace)
