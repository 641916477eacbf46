"""Events for a Prefect server that is down."""

import logging
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.state.workspace import Workspace
from tasks.tools.events import send_drift_alarms, send_feedback_ready, send_rollback
from tests.services.programs import free_port


def test_a_server_that_is_down_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}), caplog.at_level(logging.WARNING):
        assert not send_feedback_ready(Workspace(tmp_path), 80, 80)
        assert not send_drift_alarms(Workspace(tmp_path), {"prompt_auc": "prompts are about something else"})
        assert not send_rollback(Workspace(tmp_path), "2", "1", "harm: 3 people")
    assert caplog.text.count("did not take the event") == 3
