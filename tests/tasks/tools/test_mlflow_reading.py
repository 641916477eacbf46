"""The registry is read as MLflow has it, without MLflow."""

from pathlib import Path

import pytest

from core.files import digest
from tasks.registry.alias import Registry
from tasks.state.workspace import Workspace
from tasks.tools import mlflow_reading
from tasks.tools.mlflow_reading import Unreadable, registered, without_password


def test_versions_tags_and_alias_are_those_that_mlflow_reports(finished: Workspace) -> None:
    before = digest(finished.database)
    for name in ("policy", "reward"):
        read = registered(finished, name)
        for version in Registry(finished.root).versions(name):
            known = read.find(version.version)
            assert known is not None
            assert (known.run_id, dict(known.tags)) == (version.run_id, dict(version.tags))
    assert registered(finished, "policy").alias == Registry(finished.root).alias()
    assert registered(finished, "reward").alias is None
    assert digest(finished.database) == before


def test_a_deleted_version_is_gone(continued: Workspace) -> None:
    Registry(continued.root).store.delete_model_version("policy", "1")
    assert [version.version for version in registered(continued, "policy").versions] == ["2"]


def test_what_cannot_be_read(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert registered(workspace, "policy").versions == ()
    with pytest.raises(Unreadable, match="does not exist"):
        registered(Workspace(tmp_path / "nothing"), "policy")
    assert not (tmp_path / "nothing").exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    with pytest.raises(Unreadable) as error:
        registered(workspace, "policy")
    assert "secret" not in str(error.value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://db/mlflow")
    with pytest.raises(Unreadable):
        registered(workspace, "policy")
    assert mlflow_reading.database(workspace.root) is None


def test_an_address_is_shown_without_its_password() -> None:
    assert without_password("http://me:secret@host:5000/x") == "http://host:5000/x"
