"""`rounds replay` reproduces the outputs byte by byte, from the MLflow run and the DVC remote alone."""

import shutil
from pathlib import Path

import pytest

from core.files import digest
from tasks.registry.alias import Registry
from tasks.state import records
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.profile import HOLD, TINY
from tests.workspaces import moved, run_round

pytestmark = pytest.mark.rounds


@pytest.fixture(scope="module")
def pushed(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The workspace with round 2, pushed to a remote; its cache is removed. Read-only."""
    workspace = moved(finished, tmp_path_factory.mktemp("pushed") / "workspace")
    with (workspace.root / ".dvc/config").open("a") as config:
        config.write(f"['remote \"store\"']\n    url = {workspace.root.parent / 'remote'}\n")
    run_round(workspace, [*TINY, HOLD, "versioning.remote=store"])
    shutil.rmtree(workspace.root / ".dvc/cache")
    return workspace


@pytest.fixture
def elsewhere(pushed: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace that has only the address of MLflow."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{pushed.root}/mlflow.db")
    return tmp_path / "empty"


def saved(workspace: Workspace, name: str) -> Path:
    """A file that closing round 2 saved to its run."""
    [file] = workspace.root.glob(f"mlruns/{records.read(workspace, 2).run_id}/artifacts/round/{name}")
    return file


def test_a_round_is_replayed_from_its_run_alone(rounds: Rounds, pushed: Workspace, elsewhere: Path) -> None:
    store, into = Registry(pushed.root).store, elsewhere.parent / "replayed"
    home = records.read(pushed, 2).experiment
    runs = len(store.search_runs([home]))
    result = rounds("replay", "2", "--judge", "--into", into, "-w", elsewhere)
    assert result.code == 0, result.err
    assert (
        result.out.splitlines()[-1] == f"Identical: round 2 (run {records.read(pushed, 2).run_id}), replayed in {into}."
    )
    assert "differs" not in result.out
    assert not Workspace(into).answers.exists(), "what it collected may have been removed since"
    registry = Registry(pushed.root)
    assert digest(Workspace(into).checkpoint("policy")) == registry.version("3").digest
    assert digest(Workspace(into).checkpoint("reward")) == registry.version("2", "reward").digest
    assert Workspace(into).report("verdict").read_text() == pushed.report("verdict").read_text()
    assert (len(store.search_runs([home])), len(registry.versions("policy"))) == (runs, 3)


def test_what_differs_is_named(rounds: Rounds, pushed: Workspace, tmp_path: Path) -> None:
    workspace = moved(pushed, tmp_path / "copy")
    lock, report = saved(workspace, "dvc.lock"), digest_of(saved(workspace, "dvc.lock"), "data/reports/policy.json")
    lock.write_text(lock.read_text().replace(report, "f" * 32))
    result = rounds("replay", "2", "--into", tmp_path / "replayed", "-w", workspace.root)
    assert result.code == 2
    assert "data/reports/policy.json differ" in result.err
    assert "differs" in next(line for line in result.out.splitlines() if line.startswith("data/reports/policy.json"))


def digest_of(lock: Path, path: str) -> str:
    """The MD5 that a dvc.lock has for an output."""
    _, _, rest = lock.read_text().partition(f"- path: {path}\n")
    return rest.split("md5: ")[1].split()[0]


def test_changed_inputs_are_refused(rounds: Rounds, pushed: Workspace, tmp_path: Path) -> None:
    workspace = moved(pushed, tmp_path / "copy")
    inputs = saved(workspace, "round.yaml")
    inputs.write_text(inputs.read_text().replace("number: 2", "number: 3"))
    result = rounds("replay", "2", "--into", tmp_path / "replayed", "-w", workspace.root)
    assert result.code == 2
    assert records.read(workspace, 2).key in result.err


def test_other_code_is_refused_with_the_commit_to_check_out(rounds: Rounds, pushed: Workspace, tmp_path: Path) -> None:
    workspace = moved(pushed, tmp_path / "copy")
    store, run = Registry(workspace.root).store, records.read(workspace, 2).run_id
    for name, value in (("code", "0" * 16), ("git_commit", "ab" * 20), ("git_dirty", "true")):
        store.set_tag(run, name, value)
    result = rounds("replay", "2", "--into", tmp_path / "replayed", "-w", workspace.root)
    assert result.code == 2
    assert "digest 0000000000000000" in result.err
    assert f"`git checkout {'ab' * 20}` restores it, except for uncommitted changes" in result.err
    assert not (tmp_path / "replayed").exists()


def test_data_that_cannot_be_fetched(rounds: Rounds, elsewhere: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    result = rounds("replay", "2", "--into", tmp_path / "into", "-w", elsewhere, "--remote", tmp_path / "nothing")
    assert result.code == 2
    assert "BadWorkspace: data/feedback: not all data could be fetched" in result.err
    assert str(tmp_path / "nothing") in result.err
    assert not any((tmp_path / "into").iterdir())  # with the right remote, the same command can be given again


def test_a_folder_in_use_is_left_alone(rounds: Rounds, elsewhere: Path, pushed: Workspace) -> None:
    result = rounds("replay", "2", "--into", pushed.root, "-w", elsewhere)
    assert (result.code, "is not empty; name a new folder" in result.err) == (2, True)
