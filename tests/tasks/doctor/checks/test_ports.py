import os
import socket

import pytest

from tasks.doctor.checks import ports
from tasks.services import record
from tasks.services.record import RunningServices
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tests.tasks.doctor.cures import diagnoses


def test_a_port_that_another_program_uses(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(ports, "PORTS", {port: "the MLflow server"})
        [found] = diagnoses("ports", workspace)
        assert (found.severity, str(port) in found.text) == ("note", True)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        assert diagnoses("ports", workspace) == []
        monkeypatch.delenv("MLFLOW_TRACKING_URI")
        own = record.process_id(os.getpid())
        links = {"MLflow server": f"http://127.0.0.1:{port}"}
        known = RunningServices(process=own, keepers=(), ready=True, links=links, exports={}, postgresql=False)
        record.write(workspace, known)
        assert len(diagnoses("ports", workspace)) == 1, "whoever wrote that has ended"
        with holding(workspace.services_lock, "rounds up"):
            assert diagnoses("ports", workspace) == []
    assert not ports.listens(port)
