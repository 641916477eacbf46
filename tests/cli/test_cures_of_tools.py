"""The cures of errors of MLflow, DVC, Prefect and git, typed as they are printed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from core.errors import BadWorkspace, NotInstalled, Unwritable
from flows import round as flow
from flows.orchestration import limits, server
from tasks.rounds import opening
from tasks.rounds.running import RunningRound
from tasks.state import records
from tasks.state.records import RoundRecord
from tasks.state.workspace import PROJECT, Workspace
from tasks.steps.collect import collect
from tasks.steps.curate import curate
from tasks.steps.ingest import ingest
from tasks.tools.remotes import LOCKS
from tasks.tools.versioning import DataGraph, VersioningSettings
from tests.commands import Rounds
from tests.cures import cures, words
from tests.profile import HOLD, TINY
from tests.workspaces import settle


def dvc(workspace: Workspace, command: list[str], **placeholders: str) -> None:
    """Type a command of DVC in a workspace."""
    from dvc.cli import main

    with chdir(workspace.root):
        assert main([placeholders.get(word, word) for word in command[1:]]) == 0


def plan(rounds: Rounds, workspace: Workspace, *overrides: str) -> str:
    """What `rounds plan` prints as an error; empty without one."""
    return rounds("plan", "-w", workspace.root, *(word for each in overrides for word in ("-S", each))).err


@cures(
    "tasks.tools.remotes.DvcSettings.configured: dvc remote add … URL",
    "tasks.tools.remotes._refuse: dvc config --show-origin core.remote",
    "tasks.tools.remotes._refuse: dvc remote modify … url URL",
    "tasks.tools.remotes._refuse: -S versioning.remote=NAME",
    "tasks.tools.remotes._refuse: -S 'versioning.remote=\"\"'",
)
def test_remotes_that_are_missing_or_cannot_be_used(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    missing = plan(rounds, workspace, "versioning.remote=store")
    dvc(workspace, words(missing, "dvc remote add"), URL="/proc/none")
    broken = plan(rounds, workspace, "versioning.remote=store")
    assert "/proc" in broken
    dvc(workspace, ["dvc", "remote", "add", "other", str(tmp_path / "other")])
    assert "-S versioning.remote=NAME" in broken
    assert plan(rounds, workspace, "versioning.remote=other") == ""
    assert "-S 'versioning.remote=\"\"'" in broken
    assert plan(rounds, workspace, 'versioning.remote=""') == ""
    dvc(workspace, ["dvc", "remote", "default", "store"])
    dvc(workspace, words(broken, "dvc config --show-origin"))
    dvc(workspace, words(broken, "dvc remote modify"), URL=str(tmp_path / "mended"))
    assert plan(rounds, workspace) == ""


def test_a_remote_whose_driver_is_not_installed(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked when a round opens, not when it pushes hours later."""
    dvc(workspace, ["dvc", "remote", "add", "--default", "store", "s3://bucket/rounds"])
    monkeypatch.setitem(sys.modules, "dvc_s3", None)
    with pytest.raises(NotInstalled) as failure:
        DataGraph(workspace.root).check(VersioningSettings())
    command = words(str(failure.value), "pip install -r")
    assert command == ["pip", "install", "-r", "requirements-s3.txt"]
    lock = (PROJECT / command[-1]).read_text().splitlines()
    assert [line.partition("==")[0] for line in lock if line.startswith("dvc")] == [*LOCKS]
    pinned = {line.partition("==")[0].lower(): line for line in (PROJECT / "requirements.txt").read_text().splitlines()}
    assert [line for line in lock if line.partition("==")[0].lower() in pinned] == []


@cures("tasks.tools.versioning.DataGraph.objects: dvc config --unset cache.dir")
def test_a_cache_outside_the_workspace(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    dvc(workspace, ["dvc", "config", "cache.dir", str(tmp_path / "cache")])
    failed = rounds("gc", "-w", workspace.root)
    assert failed.code == 2
    dvc(workspace, words(failed.err, "dvc config --unset"))
    assert rounds("gc", "-w", workspace.root).code == 0


@cures(
    "tasks.tools.remotes.explaining: set DVC_GLOBAL_CONFIG_DIR",
    "tasks.tools.remotes.explaining: set DVC_SITE_CACHE_DIR",
)
@pytest.mark.parametrize("variable", ["DVC_GLOBAL_CONFIG_DIR", "DVC_SITE_CACHE_DIR"])
def test_folders_of_dvc_that_cannot_be_used(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "/dev/null/none")
    with pytest.raises(Unwritable, match=f"set {variable} to "):
        DataGraph(workspace.root).done("curate")
    monkeypatch.setenv(variable, str(tmp_path / "dvc"))
    assert not DataGraph(workspace.root).done("curate")


@cures("tasks.tools.versioning.DataGraph.push: rounds round --reopen")
@pytest.mark.usefixtures("prefect")
def test_data_that_are_lost_before_they_are_pushed(
    rounds: Rounds, continued: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Derived data: a round that is opened again computes them again."""
    settle(continued, *TINY, HOLD)
    opening.start(continued, [])
    data = DataGraph(continued.root)
    shutil.rmtree(continued.preferences)
    shutil.rmtree(data.cache)
    with pytest.raises(BadWorkspace) as failure:
        data.push("store")
    assert "data/preferences" in str(failure.value)

    def until_curate(running: RunningRound) -> RoundRecord:
        for step in (collect, ingest, curate):
            running(step)
        return records.read(continued, 1)

    monkeypatch.setattr(flow, "improve", until_curate)
    done = rounds(*words(str(failure.value), "rounds round --reopen")[1:], "-w", continued.root)
    assert done.code == 0, done
    assert continued.preferences.is_dir()


@cures("tasks.tools.git.check: git init")
def test_a_workspace_that_is_not_in_git(rounds: Rounds, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Ana")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "ana@example.org")
    failed = plan(rounds, workspace, "versioning.commit=true")
    subprocess.run([*words(failed, "git init"), "--quiet"], cwd=workspace.root, check=True)
    assert plan(rounds, workspace, "versioning.commit=true") == ""


@cures(
    "tasks.tools.tracking.connection._silent: unset MLFLOW_TRACKING_URI",
    "tasks.tools.tracking.connection._CURES: set MLFLOW_TRACKING_URI",
)
@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "sqlite:///FOLDER/params.yaml"])
def test_an_mlflow_that_does_not_answer(
    rounds: Rounds, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address.replace("FOLDER", str(workspace.root)))
    failed = rounds("status", "-w", workspace.root)
    assert (failed.code, "set MLFLOW_TRACKING_URI" in failed.err, "Traceback" in failed.err) == (2, True, False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert rounds("status", "-w", workspace.root).code == 0


@cures("flows.orchestration.server._check_home: set PREFECT_HOME")
def test_a_home_of_prefect_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_HOME, temporary_settings

    with temporary_settings({PREFECT_HOME: Path("/proc/none")}), pytest.raises(Unwritable, match="set PREFECT_HOME to"):
        server._check_home()
    with temporary_settings({PREFECT_HOME: tmp_path}):
        server._check_home()


@cures(
    "flows.orchestration.server._answering: unset PREFECT_API_URL",
    "flows.orchestration.server._serving: set PREFECT_API_URL",
)
@pytest.mark.usefixtures("prefect")
def test_a_prefect_server_that_does_not_answer() -> None:
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    from core.errors import RoundsError

    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}),
        pytest.raises(RoundsError, match="unset PREFECT_API_URL"),
        server.starting(),
    ):
        raise AssertionError("no server answers there")
    silent = subprocess.Popen(["true"], stdout=subprocess.PIPE, text=True)
    with pytest.raises(RoundsError, match="set PREFECT_API_URL to it"), server._serving(silent):
        raise AssertionError("the server has ended")
    assert silent.stdout is not None
    silent.stdout.close()
    with server.starting():  # of the session's server, which PREFECT_API_URL names
        assert PREFECT_API_URL.value()


@pytest.fixture
def slot_taken(prefect: None) -> Iterator[None]:
    """The slot of the server is held, as by a round that was killed and whose lease does not end."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(limits.SLOT, 1)
        client.increment_concurrency_slots([limits.SLOT], 1, "concurrency")
    yield
    with get_client(sync_client=True) as client:
        client.delete_global_concurrency_limit_by_name(limits.SLOT)


@cures("flows.orchestration.limits._slot: prefect gcl update … --active-slots 0")
def test_a_slot_that_is_never_released(slot_taken: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.errors import RoundBusy

    monkeypatch.setattr(limits, "PATIENCE", 1.0)
    with pytest.raises(RoundBusy) as failure, limits._slot(limits.SLOT, 0):
        raise AssertionError("the slot is taken")
    from prefect.settings import get_current_settings

    environment = get_current_settings().to_environment_variables(exclude_unset=True)
    command = words(str(failure.value), "prefect gcl update")
    program = "import sys; from prefect.cli import app; sys.argv = ['prefect', *sys.argv[1:]]; app()"
    subprocess.run(
        [sys.executable, "-c", program, *command[1:]],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    with limits._slot(limits.SLOT, 5):
        pass
