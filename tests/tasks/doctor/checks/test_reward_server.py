import pytest

from tasks.doctor.checks import reward_server
from tasks.state.workspace import Workspace
from tests.models.grading import Grader, grading
from tests.services.programs import hanging
from tests.tasks.doctor.cures import diagnoses


def texts(workspace: Workspace, reward: str) -> list[str]:
    workspace.params.write_text(f"policy: {{reward: {reward}}}")
    return [found.text for found in diagnoses("reward_server", workspace) if found.severity == "error"]


def test_a_server_that_answers_is_fine_and_none_is_needed(workspace: Workspace) -> None:
    assert texts(workspace, "{use: learned}") == texts(workspace, "http") == []
    with grading() as grader:
        assert texts(workspace, f"{{use: http, url: '{grader.url}', weight: 0.5}}") == []


def test_what_a_round_would_refuse_is_an_error(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with grading(Grader(scores=lambda answers: [float("nan")] * len(answers))) as grader:
        [nan] = texts(workspace, f"{{use: http, url: '{grader.url}'}}")
        [other] = texts(workspace, f"{{use: http, url: '{grader.url}', states: '{{}}'}}")
    assert "gave text 0 of 3 the score nan" in nan
    assert "expected {}" in other
    [away] = texts(workspace, f"{{use: http, url: '{grader.url}'}}")
    assert "the reward server failed with" in away
    monkeypatch.setattr(reward_server, "PATIENCE", 0.2)
    with hanging() as port:
        [late] = texts(workspace, f"{{use: http, url: 'http://127.0.0.1:{port}/'}}")
    assert "ReadTimeout" in late
    [wrong] = texts(workspace, "{use: http, url: nowhere}")
    assert "policy.reward.url" in wrong
