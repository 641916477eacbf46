"""What is read without MLflow's client is what its client reads."""

from pathlib import Path

import pytest

from tasks.registry import mirror
from tasks.registry.reading import MirrorReading, version_of
from tasks.state.workspace import Workspace
from tasks.tools import mlflow_reading
from tests.tasks.registry.test_registry import with_champion_2

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def test_versions_and_mirror_are_those_of_the_client(home: Path) -> None:
    registry, workspace = with_champion_2(home), Workspace(home)
    entries = mlflow_reading.registered(workspace, "policy").versions
    read = [version for entry in entries if (version := version_of("policy", entry))]
    assert [each._replace(created=read[0].created) for each in registry.versions("policy")] == read
    assert mirror.lines_in(mlflow_reading.audit_runs(workspace)) == registry.mirror.lines()
    assert MirrorReading(workspace).mirrored == registry.mirror.mirrored
    assert len(registry.mirror.lines()) == 5


def test_a_version_of_no_round_is_none_and_one_without_digest_is_still_a_version(home: Path) -> None:
    registry, workspace = with_champion_2(home), Workspace(home)
    mine = registry.store.create_model_version("policy", str(home / "mine"))
    registry.store.delete_model_version_tag("policy", "1", "digest")
    model = mlflow_reading.registered(workspace, "policy")
    versions = {entry.version: version_of("policy", entry) for entry in model.versions}
    assert versions.pop(str(mine.version)) is None
    assert {number: bool(version and version.digest) for number, version in versions.items()} == {
        "1": False,
        "2": True,
        "3": True,
    }
