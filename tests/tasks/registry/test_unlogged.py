"""Versions of an older release, which wrote no line at registration."""

import pytest

from core.errors import BadModel, BadParams
from tasks.registry import audit, promotion, unlogged
from tasks.registry.alias import Registry
from tasks.registry.trust import Unverified
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words
from tests.tasks.registry.test_registry import registered

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


@pytest.fixture
def old(workspace: Workspace) -> Workspace:
    """Version 1 was made champion, version 2 held, and the log has only the move."""
    registry, log = Registry(workspace.root), workspace.audit
    registered(registry, 0)
    registered(registry, 1)
    registered(registry, 1, "reward")
    log.unlink()
    log.with_name("audit.jsonl.head").unlink()
    registry.promote("1", None, "first", "rounds", kind="bootstrap", unverified=True)
    entries = [
        entry._replace(facts={k: v for k, v in entry.facts.items() if k != "digest_from"}) for entry in audit.read(log)
    ]
    audit.replace(log, audit.rechained(entries))
    return workspace


@cures("tasks.registry.alias.Registry._refuse_unverified: rounds adopt --reason …")
def test_the_log_vouches_for_a_champion_of_an_older_release_and_only_adoption_for_the_others(
    old: Workspace, rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ana")
    registry = Registry(old.root)
    sources = {f"{v.name}/{v.version}": registry.trust.known(v).source for v in unlogged.unlogged(registry)}
    assert sources == {"policy/1": "log", "policy/2": "tag", "reward/1": "tag"}
    with pytest.raises(Unverified) as error:
        promotion.by_hand(registry, "2", "better", "ana", force=False)
    adopting = words(str(error.value), "rounds adopt", dots="from version 0.1")
    assert rounds(*adopting[1:], "-w", old.root).code == 0
    lines = [line for line in audit.read(old.audit) if line.event == "adopt"]
    assert [(line.who, line.facts["model"], line.facts["compared"]) for line in lines] == [
        ("ana", "policy", "log"),
        ("ana", "policy", "tag"),
        ("ana", "reward", "tag"),
    ]
    assert unlogged.take_in(old, registry, "again", "ana").versions == ()
    assert promotion.by_hand(registry, "2", "better", "ana", force=False) == "done"


@cures("cli.audit.verify: rounds adopt --reason …")
def test_versions_that_verification_does_not_find_in_the_log_are_taken_in(workspace: Workspace, rounds: Rounds) -> None:
    registry = Registry(workspace.root)
    registered(registry, 0)
    registered(registry, 0, "reward")
    workspace.audit.unlink()
    workspace.audit.with_name("audit.jsonl.head").unlink()
    verified = rounds("audit", "verify", "-w", workspace.root)
    assert (verified.code, "policy/1, reward/1" in verified.out) == (0, True), verified
    assert rounds(*words(verified.out, "rounds adopt", dots="from version 0.1")[1:]).code == 0
    assert unlogged.unlogged(registry) == []


def test_files_that_differ_are_not_adopted(old: Workspace) -> None:
    [file] = [f for f in (old.root / "mlruns").rglob("model.safetensors") if f.read_text() == "policy 1"]
    file.write_text("evil")
    registry = Registry(old.root)
    adopted = unlogged.take_in(old, registry, "from version 0.1", "ana")
    assert ([(v.name, v.version) for v in adopted.versions], len(adopted.refused)) == (
        [("policy", "1"), ("reward", "1")],
        1,
    )
    with pytest.raises(BadModel):
        promotion.by_hand(registry, "2", "better", "ana", force=False, unverified=True)


def test_adoption_needs_a_reason(old: Workspace) -> None:
    with pytest.raises(BadParams, match="--reason"):
        unlogged.take_in(old, Registry(old.root), " ", "ana")
