"""What is said to a Prefect server that is not there."""

import logging
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.state.workspace import Workspace
from tasks.tools.events import drifted, feedback_ready, rolled_back
from tests.services.programs import free_port


def test_a_server_that_is_down_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}), caplog.at_level(logging.WARNING):
        assert not feedback_ready(Workspace(tmp_path), 80, 80)
        assert not drifted(Workspace(tmp_path), {"prompt_auc": "prompts are about something else"})
        assert not rolled_back(Workspace(tmp_path), "2", "1", "harm: 3 people")
    assert caplog.text.count("did not take the event") == 3
