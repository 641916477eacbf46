import pytest

from core.errors import BadParams
from serving.settings import ServingSettings, settings
from tasks.people.label_settings import TermsSettings
from tasks.state.workspace import Workspace


def test_without_a_file_the_defaults_hold(workspace: Workspace) -> None:
    assert settings(workspace) == ServingSettings()


def test_the_file_and_overrides_set_some(workspace: Workspace) -> None:
    workspace.serving.write_text("rows: 8\nwaiting: 3\n")
    chosen = settings(workspace, ["waiting=5"])
    assert (chosen.rows, chosen.waiting) == (8, 5)


def test_licence_and_consent_hold_for_all_feedback_and_have_moved(workspace: Workspace) -> None:
    workspace.serving.write_text("terms: {consent: contract}\n")
    assert settings(workspace).terms == TermsSettings(licence="own", consent="contract")
    workspace.serving.write_text("label: {licence: CC0-1.0, overlap: 2}\n")
    with pytest.raises(BadParams, match="licence hold for all feedback; write them in the section `terms`"):
        settings(workspace)


def test_an_unknown_setting_is_named(workspace: Workspace) -> None:
    workspace.serving.write_text("row: 8\n")
    with pytest.raises(BadParams, match="row"):
        settings(workspace)
