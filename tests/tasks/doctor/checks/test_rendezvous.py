import pytest
import yaml

from models.rendezvous import ADDRESS
from tasks.doctor.checks.rendezvous import check
from tasks.doctor.diagnosis import Severity
from tasks.state.workspace import Workspace


def test_the_address_is_looked_at_if_several_machines_train(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    assert list(check(workspace)) == []
    several = {"policy": {"launch": {"nodes": 2}}}
    workspace.params.write_text(yaml.safe_dump(several))
    [found] = check(workspace)
    assert found.severity == Severity.WARNING
    assert f"policy.launch.nodes=2: the 2 machines meet at {ADDRESS}=(not set)" in found.text
    monkeypatch.setenv(ADDRESS, "127.0.0.1:29400")
    assert list(check(workspace)) == []
    monkeypatch.setenv(ADDRESS, "192.0.2.7:29400")
    assert "no address of this machine" in next(check(workspace)).text
    workspace.params.write_text(yaml.safe_dump(several | {"steps": {"policy": {"work_pool": "gpu"}}}))
    assert list(check(workspace)) == []


def test_a_file_that_cannot_be_read_is_reported_by_another_check(workspace: Workspace) -> None:
    workspace.params.write_text("policy: [")
    assert list(check(workspace)) == []
    workspace.params.unlink()
    assert list(check(workspace)) == []
