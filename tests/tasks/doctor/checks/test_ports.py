import socket

import pytest

from tasks.doctor.checks import ports
from tasks.state.workspace import Workspace
from tests.tasks.doctor.cures import diagnoses


def test_a_port_that_another_program_uses(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(ports, "PORTS", {port: "MLflow (`make ui`)"})
        [found] = diagnoses("ports", workspace)
        assert (found.severity, str(port) in found.text) == ("note", True)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        assert diagnoses("ports", workspace) == []
    assert not ports.listens(port)
