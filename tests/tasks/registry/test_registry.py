import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from core.errors import BadModel, BadParams, NotFound
from tasks.registry import audit, versions
from tasks.registry import journal as journal_module
from tasks.registry.alias import AliasConflict, CoolingDown, ModelVersion, NeverChampion, Registry, RolledBack
from tasks.tools.tracking import RoundRun

# SQLAlchemy 2.1 warns of how MLflow maps its tables
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

PROJECT = Path(__file__).parents[3]


class Failing:
    """A store that fails in one method."""

    def __init__(self, store: Any, method: str, error: Exception) -> None:
        self._store, self._method, self._error = store, method, error

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            raise self._error
        return getattr(self._store, name)


def weights(home: Path, content: str) -> Path:
    folder = home / "data/checkpoints" / content
    (folder / "tokenizer").mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_text(content)
    (folder / "tokenizer/vocab.json").write_text("{}")
    return folder


def registered(registry: Registry, number: int, name: Any = "policy") -> ModelVersion:
    tags = {"round": str(number), "round_key": f"key{number}"}
    run = RoundRun.open(registry.root, registry.line, f"round {number}", tags)
    folder = weights(registry.root, f"{name} {number}")
    return registry.register(name, folder, run.run_id, tags, {"evaluate/win_rate": 0.6001})


def with_champion_2(home: Path, versions: int = 3) -> Registry:
    """Versions 1, 2, …; 1 was champion, 2 is."""
    registry = Registry(home)
    for number in range(versions):
        registered(registry, number)
    registry.promote("1", None, "first", "rounds", kind="bootstrap")
    registry.promote("2", "1", "win rate .61", "rounds")
    return registry


def champion(registry: Registry) -> str:
    version = registry.champion()
    assert version is not None
    return version.version


def moves(home: Path) -> list[tuple[str, str, str]]:
    log = home / "data/audit.jsonl"
    assert audit.verify(log) == []
    lines = [entry for entry in audit.read(log) if "now" in entry.facts]
    return [(entry.event, entry.facts["left"], entry.facts["now"]) for entry in lines]


def journal(registry: Registry) -> list[str]:
    experiment = registry.store.get_experiment_by_name("promotions")
    assert experiment is not None
    runs = registry.store.search_runs([experiment.experiment_id], order_by=["attributes.start_time"])
    return [run.data.tags["state"] for run in runs]


def test_a_registered_model_names_its_round_and_carries_its_numbers(home: Path) -> None:
    registry = Registry(home)
    version = registered(registry, 0)
    assert (version.name, version.version, version.round, version.tags["round_key"]) == ("policy", "1", 0, "key0")
    assert registry.store.get_run(version.run_id).data.tags["round"] == "0"
    [model] = registry.store.search_logged_models([registry.store.get_run(version.run_id).info.experiment_id])
    assert model.source_run_id == version.run_id
    assert [(metric.key, metric.value) for metric in model.metrics or []] == [("evaluate/win_rate", 0.6)]
    assert list(Path.cwd().iterdir()) == []


def test_the_same_weights_of_a_round_are_registered_once(home: Path) -> None:
    registry = Registry(home)
    first, again = registered(registry, 0), registered(registry, 0)
    assert first == again
    weights(home, "policy 0").joinpath("model.safetensors").write_text("trained again on another machine")
    run_id, tags = first.run_id, {"round": "0", "round_key": "key0"}
    assert registry.register("policy", home / "data/checkpoints/policy 0", run_id, tags, {}).version == "2"


def test_an_interrupted_upload_is_repeated(home: Path) -> None:
    registry, full = Registry(home), Registry(home)
    broken: Any = Failing(full.store, "log_model_artifacts", OSError("no space left on device"))
    full.store = broken
    with pytest.raises(OSError, match="no space"):
        registered(full, 0)
    assert registry.versions("policy") == []
    version = registered(registry, 0)
    models = registry.store.search_logged_models([registry.store.get_run(version.run_id).info.experiment_id])
    assert [str(model.status) for model in models] == ["READY"]


def test_versions_are_newest_first_and_of_rounds_only(home: Path) -> None:
    registry = Registry(home)
    assert registry.versions("policy") == []
    registered(registry, 0)
    for _ in range(7):
        registry.store.create_model_version("policy", str(home / "by hand"))
    registered(registry, 1)
    registered(registry, 2)
    registered(registry, 0, "reward")
    assert [version.version for version in registry.versions("policy")] == ["10", "9", "1"]
    assert [version.version for version in registry.versions("reward")] == ["1"]
    assert registry.version("10").round == 2
    with pytest.raises(NotFound, match="no version 5 that a round registered"):
        registry.version("5")


def test_versions_and_moves_that_fill_several_pages_are_read_to_the_end(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = with_champion_2(home)
    registry.promote("3", "2", "it won", "rounds")
    assert [version.version for version in registry.versions("policy")] == ["3", "2", "1"]
    monkeypatch.setattr(versions, "PAGE", 2)
    monkeypatch.setattr(journal_module, "PAGE", 2)
    searched = spied(monkeypatch, type(registry.store), "search_model_versions")
    assert [version.version for version in registry.versions("policy")] == ["3", "2", "1"]
    assert searched == [2, 1]
    searched = spied(monkeypatch, type(registry.store), "search_runs")
    assert registry._journal.targets() == ["3", "2", "1"]
    assert searched == [2, 1]
    assert registry._journal.reached("1")
    assert searched == [2, 1, 1]


def spied(monkeypatch: pytest.MonkeyPatch, client: type, name: str) -> list[int]:
    """How many entities each request gave."""
    given: list[int] = []
    real = getattr(client, name)

    def request(*arguments: Any, **options: Any) -> Any:
        page = real(*arguments, **options)
        given.append(len(page))
        return page

    monkeypatch.setattr(client, name, request)
    return given


def test_a_fetched_version_has_the_registered_files(home: Path) -> None:
    registry = Registry(home)
    version = registered(registry, 0)
    folder = registry.fetch(version, home / "data/champion")
    assert (folder / "model.safetensors").read_text() == "policy 0"
    assert (folder / "tokenizer/vocab.json").read_text() == "{}"
    newer = registered(registry, 1)
    assert (registry.fetch(newer, folder) / "model.safetensors").read_text() == "policy 1"


def test_changed_or_missing_stored_files_are_refused_and_existing_files_stay(home: Path) -> None:
    registry = Registry(home)
    folder = registry.fetch(registered(registry, 0), home / "data/champion")
    version = registered(registry, 1)
    [stored] = [f for f in (home / "mlruns").rglob("model.safetensors") if f.read_text() == "policy 1"]
    stored.write_text("policy X")
    with pytest.raises(BadModel, match="SHA-256"):
        registry.fetch(version, folder)
    shutil.rmtree(stored.parent)
    with pytest.raises(BadModel, match="no files at"):
        registry.fetch(version, folder)
    assert (folder / "model.safetensors").read_text() == "policy 0"


def test_a_promotion_moves_the_alias_once_and_is_in_the_audit_log(home: Path) -> None:
    registry = Registry(home)
    assert registry.champion() is None
    first, second = registered(registry, 0), registered(registry, 1)
    assert registry.promote("1", None, "first", "rounds", kind="bootstrap") == "done"
    assert registry.promote("2", "1", "win rate .61", "rounds") == "done"
    assert registry.promote("2", "1", "win rate .61", "rounds") == "noop"
    assert champion(registry) == "2"
    assert moves(home) == [("bootstrap", "", "1"), ("promote", "1", "2")]
    last = audit.read(home / "data/audit.jsonl")[-1]
    assert last.who == "rounds"
    assert (
        last.facts.items()
        >= {"reason": "win rate .61", "round": 1, "digest": second.digest, "run": second.run_id}.items()
    )
    assert journal(registry) == ["committed", "committed"]
    assert first.digest != second.digest


def test_a_promotion_against_another_champion_is_a_conflict(home: Path) -> None:
    registry = with_champion_2(home)
    for expect, shown in (("1", "1"), (None, "unset")):
        with pytest.raises(AliasConflict, match=f"champion is 2, expected {shown}"):
            registry.promote("3", expect, "better", "rounds")
    with pytest.raises(NotFound, match="no version 9"):
        registry.promote("9", "2", "better", "rounds")
    assert champion(registry) == "2"
    assert len(moves(home)) == 2


def test_a_rollback_goes_to_the_version_before_and_marks_the_one_left(home: Path) -> None:
    registry = with_champion_2(home)
    registry.promote("3", "2", "better", "rounds")
    left, now = registry.rollback(None, "rude answers", "ana")
    assert (left.version, now.version, champion(registry)) == ("3", "2", "2")
    assert left.tags["rolled_back"] == "rude answers"
    assert moves(home)[-1] == ("rollback", "3", "2")
    assert registry.rollback(None, "still rude", "ana").now.version == "1"
    with pytest.raises(AliasConflict, match="policy@champion"):
        registry.rollback(None, "worse", "ana")


def test_a_version_that_was_rolled_back_is_promoted_only_by_force(home: Path) -> None:
    registry = with_champion_2(home)
    registry.rollback("1", "rude answers", "ana")
    with pytest.raises(RolledBack, match="rude answers"):
        registry.promote("2", "1", "win rate .61", "schedule")
    with pytest.raises(RolledBack):
        registry.rollback("2", "I was wrong", "ana")
    assert registry.promote("2", "1", "I was wrong", "ana", kind="force") == "done"
    tags = registry.version("2").tags
    assert ("rolled_back" in tags, tags["forced"]) == (False, "I was wrong")
    assert moves(home)[-1] == ("force", "1", "2")


def test_a_rollback_goes_only_to_a_former_champion(home: Path) -> None:
    registry = with_champion_2(home, versions=4)
    with pytest.raises(NeverChampion, match="rounds promote 4 "):
        registry.rollback("4", "meant 1", "ana")
    assert (champion(registry), "rolled_back" in registry.version("2").tags, len(moves(home))) == ("2", False, 2)
    registry.store.set_registered_model_alias("policy", "champion", "4")  # by hand; recorded at the next move
    registry.promote("2", "4", "better", "ana")
    assert registry.rollback("4", "worse", "ana").now.version == "4"
    (home / "data/audit.jsonl").rename(home / "elsewhere")  # without the audit log the journal is used
    assert registry.rollback("1", "worse too", "bo").now.version == "1"


def test_a_rollback_that_expects_another_champion_changes_nothing(home: Path) -> None:
    registry = with_champion_2(home)
    with pytest.raises(AliasConflict, match=r"is 2\b.* 3\b"):
        registry.rollback(None, "rude answers", "watch", expect="3")
    assert registry.rollback(None, "rude answers", "watch", expect="2").now.version == "1"


def test_no_round_promotes_while_a_rollback_is_recent(home: Path) -> None:
    registry = with_champion_2(home)
    assert registry.cooling(3600) is None
    assert not registry.lift("nothing to lift", "ana")
    registry.rollback(None, "rude answers", "ana")
    cooling = Registry(home).cooling(3600)  # another instance sees it, because it is stored in MLflow
    assert cooling is not None
    assert (cooling.until - cooling.since).total_seconds() == 3600
    assert registry.cooling(0) is None
    with pytest.raises(CoolingDown, match=r" UTC .*rounds promote 3"):
        registry.promote("3", "1", "win rate .61", "rounds", cooldown=3600)
    assert registry.promote("3", "1", "win rate .61", "rounds", cooldown=0) == "done"
    assert registry.cooling(3600) is None


def test_a_person_promotes_through_a_cooldown_or_lifts_it(home: Path) -> None:
    registry = with_champion_2(home)
    registry.rollback(None, "rude answers", "ana")
    assert registry.promote("3", "1", "I read its answers", "ana") == "done"
    registry.rollback(None, "rude as well", "ana")
    assert registry.lift("the feedback was taken back", "bo")
    assert not registry.lift("again", "bo")
    assert registry.cooling(3600) is None
    last = audit.read(home / "data/audit.jsonl")[-1]
    assert (last.event, last.who, last.facts["reason"]) == ("lift", "bo", "the feedback was taken back")
    assert audit.verify(home / "data/audit.jsonl") == []


def test_a_rollback_to_the_champion_changes_nothing(home: Path) -> None:
    registry = with_champion_2(home)
    left, now = registry.rollback("2", "twice", "ana")
    assert left.version == now.version == "2"
    assert len(moves(home)) == 2


def test_the_champion_is_not_moved_without_a_reason(home: Path) -> None:
    registry = with_champion_2(home)
    with pytest.raises(BadParams, match="--reason"):
        registry.rollback(None, " ", "ana")
    with pytest.raises(BadParams, match="--reason"):
        registry.promote("3", "2", "", "ana")
    assert (champion(registry), len(moves(home)), len(journal(registry))) == ("2", 2, 2)


def test_there_is_nothing_to_roll_back_without_a_champion(home: Path) -> None:
    with pytest.raises(AliasConflict):
        Registry(home).rollback(None, "rude", "ana")


def test_an_alias_moved_by_hand_is_recorded_at_the_next_move(home: Path) -> None:
    registry = with_champion_2(home)
    registry.store.set_registered_model_alias("policy", "champion", "3")
    registry.reconcile()
    registry.reconcile()
    assert moves(home)[2:] == [("found", "2", "3")]
    registry.store.delete_registered_model_alias("policy", "champion")
    registry.reconcile()
    assert moves(home)[3:] == [("found", "3", "")]


def test_a_champion_set_by_hand_that_no_round_made_can_be_replaced(home: Path) -> None:
    registry = with_champion_2(home)
    made = registry.store.create_model_version("policy", str(home / "by hand"))
    registry.store.set_registered_model_alias("policy", "champion", str(made.version))
    with pytest.raises(NotFound, match="version 4, which no round registered"):
        registry.champion()
    assert registry.promote("2", "4", "back to what rounds made", "ana") == "done"


def test_a_move_that_the_server_refused_is_aborted_and_can_be_repeated(home: Path) -> None:
    registry, refused = Registry(home), Registry(home)
    registered(registry, 0)
    broken: Any = Failing(refused.store, "set_registered_model_alias", MlflowException("503"))
    refused.store = broken
    with pytest.raises(MlflowException):
        refused.promote("1", None, "first", "rounds", kind="bootstrap")
    assert registry.champion() is None
    assert registry.promote("1", None, "first", "rounds", kind="bootstrap") == "done"
    assert journal(registry) == ["aborted", "committed"]
    assert moves(home) == [("bootstrap", "", "1")]


def processes(mode: str, spare: Path, jobs: list[str]) -> list[int]:
    """Exit statuses of the jobs of `promoting.py`, which first imports MLflow with the store in `spare`."""
    program = [sys.executable, "-W", "ignore", "-m", "tests.tasks.registry.promoting", mode, str(spare), *jobs]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        program, capture_output=True, text=True, cwd=PROJECT, env=environment, timeout=200, check=True
    )
    return [int(line) for line in done.stdout.split()]


# where the process is killed, the champion afterwards (promotion, rollback), and the final state of the intent
POINTS = {
    "after the intent": ("after", "create_run", "2", "2", "aborted"),
    "before the alias moves": ("before", "set_registered_model_alias", "2", "2", "aborted"),
    "after the alias moved": ("after", "set_registered_model_alias", "3", "1", "committed"),
    "after the tags": ("after", "set_model_version_tag", "3", "1", "committed"),
    "after the audit line": ("before", "set_terminated", "3", "1", "committed"),
    "before the intent is settled": ("before", "set_tag", "3", "1", "committed"),
}


@pytest.mark.parametrize("action", ["promote", "rollback"])
def test_killed_anywhere_the_champion_is_whole_and_the_move_is_settled(home: Path, tmp_path: Path, action: str) -> None:
    with_champion_2(home)
    roots = {point: shutil.copytree(home, tmp_path / point) for point in POINTS}
    jobs = [f"{roots[point]}:{action}:{when}:{method}" for point, (when, method, *_) in POINTS.items()]
    assert processes("die", home, jobs) == [-signal.SIGKILL] * len(POINTS)
    for point, (_, _, promoted, rolled, state) in POINTS.items():
        killed = Registry(roots[point])
        now = killed.version(champion(killed))
        assert now.version == {"promote": promoted, "rollback": rolled}[action], point
        assert (killed.fetch(now, roots[point] / "data/champion") / "model.safetensors").exists()
        again(killed, action, state)
        killed.reconcile()
        assert journal(killed) == ["committed", "committed", state, *(["committed"] if state == "aborted" else [])]
        final = {"promote": ("promote", "2", "3"), "rollback": ("rollback", "2", "1")}[action]
        assert moves(roots[point])[2:] == [final], point
        assert (killed.cooling(3600) is not None) == (action == "rollback")


def again(registry: Registry, action: str, state: str) -> None:
    """Repeat the command: it completes the move, and does nothing twice."""
    if action == "promote":
        assert registry.promote("3", "2", "better", "schedule") == ("noop" if state == "committed" else "done")
        assert registry.version("3").tags["rollback_to"] == "2"
    else:
        left, now = registry.rollback(None, "rude", "ana")
        assert (left.version, now.version, left.tags["rolled_back"]) == ("2", "1", "rude")
        assert champion(registry) == "1"


def test_of_eight_concurrent_promotions_one_is_done(home: Path, tmp_path: Path) -> None:
    spare = shutil.copytree(home, tmp_path / "spare")
    registry = with_champion_2(home, versions=4)
    assert processes("race", spare, [f"{home}:{version}" for version in (3, 4) * 4]) == [0] * 8
    outcomes = Counter(file.read_text() for file in (home / "outcomes").iterdir())
    assert outcomes == {"done": 1, "noop": 3, "conflict": 4}
    assert champion(registry) in {"3", "4"}
    assert len(moves(home)) == 3


def test_promotions_concurrent_with_a_rollback_leave_a_consistent_state(home: Path, tmp_path: Path) -> None:
    spare = shutil.copytree(home, tmp_path / "spare")
    registry = with_champion_2(home, versions=4)
    racers = ["3", "back", "4", "3", "back", "4", "3", "4"]
    assert processes("race", spare, [f"{home}:{racer}" for racer in racers]) == [0] * 8
    made = moves(home)
    assert len({(home / "outcomes" / file.name).read_text() for file in (home / "outcomes").iterdir()}) > 1
    assert [left for _, left, _ in made] == [
        "",
        *(now for _, _, now in made[:-1]),
    ]  # each move starts at the previous target
    assert made[-1][2] == champion(registry)
    left = {left for event, left, _ in made if event == "rollback"}
    assert left
    assert all("rolled_back" in registry.version(version).tags for version in left)
    assert champion(registry) not in left
    assert set(journal(registry)) == {"committed"}
