"""The cures of errors of the registry, typed as they are printed."""

from pathlib import Path
from typing import Any

import pytest

from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.state.workspace import Workspace
from tests.commands import CommandResult, Rounds
from tests.cures import cures, words
from tests.tasks.registry.test_registry import registered, with_champion_2

BECAUSE = "I read its answers"


@pytest.fixture
def registry(workspace: Workspace) -> Registry:
    """Versions 1 to 3; 1 was champion, 2 is."""
    return with_champion_2(workspace.root)


def cured(rounds: Rounds, failed: CommandResult, begins: str, **placeholders: str) -> None:
    """Type the cure that a failed command printed."""
    assert failed.code in (0, 2), failed
    assert "Traceback" not in failed.err
    typed = words(failed.err or failed.out, begins, dots=BECAUSE, **placeholders)
    done = rounds(*typed[1:])
    assert done.code == 0, (typed, done)


def champion(root: Path) -> str | None:
    return Registry(root).alias()


@cures(
    "tasks.registry.alias.Registry._refuse_rolled_back: rounds promote … --force --reason …",
    "tasks.registry.promotion.by_hand: rounds promote … --force --reason …",
)
def test_a_version_that_was_rolled_back_or_rejected_can_be_forced(rounds: Rounds, registry: Registry) -> None:
    where = ("-w", registry.root)
    assert rounds("rollback", "--reason", "rude", *where).code == 0
    cured(rounds, rounds("promote", 2, "--reason", "sorry", *where), "rounds promote")
    assert champion(registry.root) == "2"
    registry.mark(registry.version("3"), {"verdict": "reject"})
    cured(rounds, rounds("promote", 3, "--reason", "better", *where), "rounds promote")
    assert champion(registry.root) == "3"


@cures("tasks.registry.alias.Registry._refuse_never_champion: rounds promote … --reason …")
def test_a_version_that_was_never_champion_is_promoted_instead(rounds: Rounds, registry: Registry) -> None:
    cured(rounds, rounds("rollback", "--to", 3, "--reason", "rude", "-w", registry.root), "rounds promote 3")
    assert champion(registry.root) == "3"


@cures(
    "tasks.registry.alias.Registry.rollback: rounds rollback --to VERSION --reason …",
    "tasks.registry.alias.Registry.rollback: rounds promote VERSION --reason …",
)
def test_a_champion_without_a_predecessor(rounds: Rounds, registry: Registry) -> None:
    where = ("-w", registry.root)
    rounds("rollback", "--reason", "rude", *where)  # to version 1, which took over from none
    failed = rounds("rollback", "--reason", "ruder", *where)
    cured(rounds, failed, "rounds promote", VERSION="3")
    cured(rounds, failed, "rounds rollback", VERSION="1")
    assert champion(registry.root) == "1"


@cures("tasks.registry.absent.promoting: rounds promote … --reason …")
@pytest.mark.parametrize("outage", ["alias removed", "version deleted", "alias moved to a version of no round"])
def test_a_registry_that_somebody_changed(rounds: Rounds, registry: Registry, outage: str) -> None:
    where, store = ("-w", registry.root), registry.store
    expected = "2"
    if outage == "alias removed":
        store.delete_registered_model_alias("policy", "champion")
    elif outage == "version deleted":
        store.delete_model_version("policy", "2")
        expected = "1"
    else:
        store.create_model_version("policy", str(registry.root / "by hand"))
        store.set_registered_model_alias("policy", "champion", "4")
    looked = rounds("status", *where)
    tried = [rounds(*command, *where) for command in (("rollback", "--reason", "rude"), ("plan",))]
    for failed in (looked, *tried):
        assert f"`rounds promote {expected} --reason … -w {registry.root}`" in failed.out + failed.err, failed
    cured(rounds, tried[0], "rounds promote")
    assert champion(registry.root) == expected
    assert f"policy version {expected}" in rounds("status", *where).out
    if outage == "alias moved to a version of no round":
        assert rounds("rollback", "--to", 1, "--reason", "rude", *where).code == 0


@cures("tasks.registry.absent.why: rounds round")
def test_before_the_first_round_nothing_is_lost(rounds: Rounds, workspace: Workspace) -> None:
    assert words(rounds("status", "-w", workspace.root).out, "rounds round")[-2:] == ["-w", str(workspace.root)]
    explained = rounds("explain", "--prompt", "Hi", "--answer", "Hello", "-w", workspace.root)
    assert words(explained.err, "rounds round")[-2:] == ["-w", str(workspace.root)]


@cures(
    "tasks.registry.absent._another_registry: unset …",
    "tasks.registry.absent._another_registry: set …",
)
def test_another_registry(
    rounds: Rounds, continued: Workspace, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, other = ("-w", continued.root), f"sqlite:///{workspace.root}/mlflow.db"
    log = audit.read(continued.audit)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other)
    for command in (("status",), ("rollback", "--reason", "rude"), ("round", "--new")):
        failed = rounds(*command, *where)
        assert "MLFLOW_TRACKING_URI" in failed.out + failed.err
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert "policy version 2" in rounds("status", *where).out
    assert audit.read(continued.audit) == log  # nothing was recorded of an alias that is not this workspace's


def test_a_registry_that_is_gone(rounds: Rounds, continued: Workspace) -> None:
    continued.database.rename(continued.root / "elsewhere.db")
    failed = rounds("plan", "-w", continued.root)
    assert "the registry does not have it" in failed.out + failed.err
    assert not continued.database.exists()
    (continued.root / "elsewhere.db").rename(continued.database)
    assert rounds("plan", "-w", continued.root).code == 0


@cures("tasks.registry.versions._LOST: rounds rollback --reason …")
@pytest.mark.parametrize("damage", ["removed", "edited"])
def test_files_of_the_champion_that_are_lost(rounds: Rounds, registry: Registry, damage: str) -> None:
    from core.errors import BadModel

    [file] = (registry.root / "mlruns").rglob(f"{_model_of(registry, '2')}/artifacts/model.safetensors")
    file.unlink() if damage == "removed" else file.write_text("other weights")
    if damage == "removed":
        for other in file.parent.rglob("*"):
            other.unlink() if other.is_file() else None
    with pytest.raises(BadModel) as failure:
        registry.fetch(registry.version("2"), registry.root / "data/champion")
    typed = words(str(failure.value), "rounds rollback", dots=BECAUSE)
    assert rounds(*typed[1:], "-w", registry.root).code == 0
    now = Registry(registry.root).champion()
    assert now is not None
    assert registry.fetch(now, registry.root / "data/champion").is_dir()


def _model_of(registry: Registry, version: str) -> str:
    stored: Any = registry.store.get_model_version("policy", version)
    return str(stored.source).rstrip("/").split("/")[-2]


def test_a_new_registration_after_the_cure(registry: Registry) -> None:
    registry.store.delete_model_version("policy", "2")
    assert registered(registry, 5).version == "4"
