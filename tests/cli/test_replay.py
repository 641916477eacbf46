"""`rounds replay`: elsewhere, from the run and the DVC remote alone, the same bytes."""

import shutil
from pathlib import Path

import pytest

from core.files import digest
from flows.round import rlhf_round
from tasks.registry.alias import Registry
from tasks.state import records
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.profile import HOLD, TINY
from tests.workspaces import moved


@pytest.fixture(scope="module")
def pushed(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The workspace with round 2, pushed to a remote beside it; its cache is gone. To be read."""
    place = moved(finished, tmp_path_factory.mktemp("pushed") / "workspace")
    with (place.root / ".dvc/config").open("a") as config:
        config.write(f"['remote \"store\"']\n    url = {place.root.parent / 'remote'}\n")
    rlhf_round([*TINY, HOLD, "versioning.remote=store"], str(place.root))
    shutil.rmtree(place.root / ".dvc/cache")
    return place


@pytest.fixture
def elsewhere(pushed: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace that knows nothing but the address of MLflow."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{pushed.root}/mlflow.db")
    return tmp_path / "empty"


def saved(place: Workspace, name: str) -> Path:
    """A file that closing round 2 saved to its run."""
    [file] = place.root.glob(f"mlruns/{records.read(place, 2).run_id}/artifacts/round/{name}")
    return file


def test_a_round_is_replayed_from_its_run_alone(rounds: Rounds, pushed: Workspace, elsewhere: Path) -> None:
    store, into = Registry(pushed.root).store, elsewhere.parent / "replayed"
    home = records.read(pushed, 2).experiment
    runs = len(store.search_runs([home]))
    said = rounds("replay", "2", "--judge", "--into", into, "-w", elsewhere)
    assert said.code == 0, said.err
    assert (
        said.out.splitlines()[-1] == f"Identical: round 2 (run {records.read(pushed, 2).run_id}), replayed in {into}."
    )
    assert "differs" not in said.out
    registry = Registry(pushed.root)
    assert digest(Workspace(into).checkpoint("policy")) == registry.version("3").digest
    assert digest(Workspace(into).checkpoint("reward")) == registry.version("2", "reward").digest
    assert Workspace(into).report("verdict").read_text() == pushed.report("verdict").read_text()
    assert (len(store.search_runs([home])), len(registry.versions("policy"))) == (runs, 3)


def test_what_differs_is_named(rounds: Rounds, pushed: Workspace, tmp_path: Path) -> None:
    place = moved(pushed, tmp_path / "copy")
    lock, report = saved(place, "dvc.lock"), digest_of(saved(place, "dvc.lock"), "data/reports/policy.json")
    lock.write_text(lock.read_text().replace(report, "f" * 32))
    said = rounds("replay", "2", "--into", tmp_path / "replayed", "-w", place.root)
    assert said.code == 2
    assert "data/reports/policy.json came out otherwise" in said.err
    assert "differs" in next(line for line in said.out.splitlines() if line.startswith("data/reports/policy.json"))


def digest_of(lock: Path, path: str) -> str:
    """The MD5 that a dvc.lock has for an output."""
    _, _, rest = lock.read_text().partition(f"- path: {path}\n")
    return rest.split("md5: ")[1].split()[0]


def test_changed_inputs_are_refused(rounds: Rounds, pushed: Workspace, tmp_path: Path) -> None:
    place = moved(pushed, tmp_path / "copy")
    inputs = saved(place, "round.yaml")
    inputs.write_text(inputs.read_text().replace("number: 2", "number: 3"))
    said = rounds("replay", "2", "--into", tmp_path / "replayed", "-w", place.root)
    assert said.code == 2
    assert "is not the one that gave it the key" in said.err


def test_other_code_is_refused_with_the_commit_to_go_back_to(rounds: Rounds, pushed: Workspace, tmp_path: Path) -> None:
    place = moved(pushed, tmp_path / "copy")
    store, run = Registry(place.root).store, records.read(place, 2).run_id
    for name, value in (("code", "0" * 16), ("git_commit", "ab" * 20), ("git_dirty", "true")):
        store.set_tag(run, name, value)
    said = rounds("replay", "2", "--into", tmp_path / "replayed", "-w", place.root)
    assert said.code == 2
    assert "was run by other code (digest 0000000000000000, here " in said.err
    assert f"`git checkout {'ab' * 20}` restores it, except for uncommitted changes" in said.err
    assert not (tmp_path / "replayed").exists()


def test_data_that_are_nowhere(rounds: Rounds, elsewhere: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    said = rounds("replay", "2", "--into", tmp_path / "into", "-w", elsewhere, "--remote", tmp_path / "nothing")
    assert said.code == 2
    assert "data/answers, data/feedback: " in said.err
    assert str(tmp_path / "nothing") in said.err
    assert not any((tmp_path / "into").iterdir())  # with the right remote, the same command can be given again


def test_a_folder_in_use_is_left_alone(rounds: Rounds, elsewhere: Path, pushed: Workspace) -> None:
    said = rounds("replay", "2", "--into", pushed.root, "-w", elsewhere)
    assert (said.code, "is not empty; name a new folder" in said.err) == (2, True)
