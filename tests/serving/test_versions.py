"""The follower: which version answers, what happens when the alias moves, and what is in memory."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from core.errors import NotFound
from evaluation.verdict import Verdict
from serving.settings import ServingSettings
from serving.versions import Follower, TooManyVersions
from tasks.registry.alias import Registry
from tasks.rounds import version_files
from tasks.state import records
from tasks.state.workspace import Workspace
from tasks.tools.tracking import NoTracking, RoundRun
from tests.models.held import Held
from tests.serving.served import SECONDS, SETTINGS, decoder_of, promote, until
from tests.tasks.state.recorded import record

DIFFER = "policy version 2: the stored files differ from the registered ones"


@pytest.fixture
def follower(workspace: Workspace) -> Iterator[Follower]:
    opened = Follower(workspace, SETTINGS)
    opened.start()
    until(lambda: opened.state.champion == "1")
    yield opened
    opened.close()


def changed_weights(workspace: Workspace, version: str) -> None:
    """Change a byte of the stored weights of a version."""
    registry = Registry(workspace.root)
    folder = registry._local_folder(registry.version(version))
    assert folder is not None
    file = folder / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def test_it_answers_with_the_champion_and_its_limits(follower: Follower) -> None:
    with follower.lease("champion") as version:
        assert (version.version, version.name) == ("1", "policy/1")
        assert (version.limits.max_prompt_tokens, version.limits.max_answer_tokens) == (64, 48)
        assert version.fingerprint == f"policy-1-{version.digest[:12]}"
    assert follower.state == ("1", ("1",), None)


def test_a_moved_alias_is_followed_and_the_old_version_is_freed(workspace: Workspace, follower: Follower) -> None:
    promote(workspace, "2")
    until(lambda: follower.state == ("2", ("2",), None))


def test_a_version_in_use_stays_until_it_is_given_back(workspace: Workspace, follower: Follower) -> None:
    with follower.lease("champion") as version:
        promote(workspace, "2")
        until(lambda: follower.state.champion == "2")
        assert version.version == "1"
        assert set(follower.state.loaded) == {"1", "2"}
    until(lambda: follower.state.loaded == ("2",))


def test_the_new_version_is_loaded_while_the_old_one_works(workspace: Workspace, follower: Follower) -> None:
    with follower.lease("champion") as version, Held(decoder_of(version)):
        promote(workspace, "2")
        until(lambda: follower.state.champion == "2")


@pytest.mark.parametrize("name", ["2", "policy/2"])
def test_a_named_version_is_loaded_for_a_request_and_freed_after_it(follower: Follower, name: str) -> None:
    with follower.lease(name) as version:
        assert version.version == "2"
        assert follower.state.champion == "1"
    until(lambda: follower.state.loaded == ("1",))


def test_no_more_versions_than_may_be_are_in_memory(workspace: Workspace) -> None:
    follower = Follower(workspace, ServingSettings(poll=0.05, versions=2))
    follower.start()
    until(lambda: follower.state.champion == "1")
    with follower.lease("2"):
        with pytest.raises(TooManyVersions, match="2 versions are in memory and in use"), follower.lease("3"):
            pass
        assert follower.state.loaded == ("1", "2")
    with follower.lease("3"):
        assert follower.state.loaded == ("1", "3")
    follower.close()


def test_a_version_that_does_not_exist_is_named(follower: Follower) -> None:
    with pytest.raises(NotFound, match="policy has no version 9"), follower.lease("9"):
        pass


def test_a_version_whose_files_differ_never_answers(workspace: Workspace, follower: Follower) -> None:
    changed_weights(workspace, "2")
    promote_without_looking(workspace, "2")
    until(lambda: DIFFER in str(follower.state.problem))
    assert follower.state.champion == "1"
    assert follower.state.loaded == ("1",)


def test_a_failed_load_is_told_again_when_the_alias_comes_back(workspace: Workspace, follower: Follower) -> None:
    changed_weights(workspace, "2")
    for _ in range(2):
        promote_without_looking(workspace, "2")
        until(lambda: DIFFER in str(follower.state.problem))
        promote_without_looking(workspace, "1")
        until(lambda: follower.state.problem is None)


def test_a_version_that_cannot_be_freed_does_not_end_the_follower(workspace: Workspace, follower: Follower) -> None:
    host: Any = follower._host
    host.unload = failing
    with follower.lease("2"):
        pass
    until(lambda: follower.state.loaded == ("1",))
    promote(workspace, "2")
    until(lambda: follower.state.champion == "2")


def failing(_: object) -> None:
    raise RuntimeError("the device is gone")


def test_a_version_is_leased_to_all_who_await_it_before_it_can_be_freed(follower: Follower) -> None:
    with follower._host._lock:
        leases = [follower.lease("2") for _ in range(3)]
        leases[2].close()  # this request has gone away
    assert [lease.future.result(SECONDS).users for lease in leases[:2]] == [2, 2]
    follower._versions.remove_unused(0.0)
    assert follower.state.loaded == ("1", "2")
    for lease in leases[:2]:
        lease.close()
    until(lambda: follower.state.loaded == ("1",))


def test_the_champion_is_for_all_while_it_is_rolled_back(workspace: Workspace, follower: Follower) -> None:
    promote(workspace, "2")
    until(lambda: follower.state.champion == "2")
    with follower._host._lock:  # version 1 cannot be loaded again before this is released
        Registry(workspace.root).rollback(None, "rude", "tests")
        until(lambda: "version 1 is being loaded" in str(follower.state.problem))
        assert follower.refused("champion").result() is None
        with follower.lease("champion") as version:
            assert version.version == "2"
    until(lambda: follower.state == ("1", ("1",), None))


def promote_without_looking(workspace: Workspace, version: str) -> None:
    """Move the alias as somebody does who has MLflow's client only."""
    registry = Registry(workspace.root)
    registry.store.set_registered_model_alias("policy", "champion", version)


class Away:
    """MLflow whose database cannot be opened."""

    def __getattr__(self, name: str) -> Any:
        raise sqlite3.OperationalError("unable to open database file")


def test_without_the_registry_the_last_version_goes_on(workspace: Workspace, follower: Follower) -> None:
    registry: Any = follower._registry
    store, registry.store = registry.store, Away()
    until(lambda: follower.state.problem is not None)
    assert "unable to open database file" in str(follower.state.problem)
    with follower.lease("champion") as version:
        assert version.version == "1"
    with pytest.raises(NoTracking), follower.lease("2"):
        pass
    registry.store = store
    until(lambda: follower.state.problem is None)


def test_a_champion_that_was_removed_goes_on(workspace: Workspace, follower: Follower) -> None:
    Registry(workspace.root).store.delete_registered_model_alias("policy", "champion")
    until(lambda: follower.state.problem is not None)
    assert follower.state.champion == "1"


def test_the_limits_are_those_of_the_record_where_there_is_one(workspace: Workspace) -> None:
    registry = Registry(workspace.root)
    version = registry.version("2")
    assert version_files.limits(workspace, version).max_answer_tokens == 48
    made = record(2, "2", Verdict(bootstrap=True))
    values = {"model": {"max_answer_tokens": 7, "a_knob_of_another_release": 1}}
    inputs = made.inputs.model_copy(update={"params": values})
    records.write(workspace, made.model_copy(update={"key": version.tags["round_key"], "inputs": inputs}))
    assert version_files.limits(workspace, version).max_answer_tokens == 7


def test_a_version_without_its_rounds_inputs_cannot_be_served(workspace: Workspace) -> None:
    registry = Registry(workspace.root)
    run = RoundRun.open(workspace.root, registry.line, "round 9", {"round": "9", "round_key": "key9"})
    with pytest.raises(NotFound, match="its token limits are unknown; restore MLflow's artifact store from a backup"):
        version_files.limits(workspace, registry.version("2")._replace(run_id=run.run_id))


def test_who_may_ask_a_version(workspace: Workspace, follower: Follower) -> None:
    assert follower.refused("2").result() is None
    assert follower.refused("3").result() == "version 3 was rejected by its gates"
    promote(workspace, "2")
    Registry(workspace.root).rollback(None, "rude", "tests")
    until(lambda: follower.refused("2").result() == "version 2 was rolled back")


def test_versions_are_listed_newest_first(follower: Follower) -> None:
    assert [version.version for version in follower.listed().result()] == ["3", "2", "1"]
