import pytest

from tasks.doctor.checks.params import SECTIONS
from tasks.rounds.params import RoundSettings
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.tasks.doctor.cures import diagnoses, mended


def test_a_missing_file_is_made(rounds: Rounds, workspace: Workspace) -> None:
    assert diagnoses("params", workspace) == []
    workspace.params.unlink()
    mended("params", workspace, rounds, "error")


@pytest.mark.parametrize(
    "text",
    ["ingest: {treshold: 3}", "polcy: {steps: 3}", "ingest: [", "- a", "ingest: {sources: [{use: jsonl, path: none}]}"],
)
def test_a_file_that_the_next_round_would_refuse(workspace: Workspace, text: str) -> None:
    workspace.params.write_text(text)
    assert [found.severity for found in diagnoses("params", workspace)] == ["error"]


def test_every_section_is_known() -> None:
    assert set(SECTIONS) == set(RoundSettings.model_fields)
