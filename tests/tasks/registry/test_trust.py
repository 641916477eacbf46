"""What decides about a version is this workspace's log; tags in MLflow, which anybody there can set, are hints."""

import logging
import shutil
from pathlib import Path

import pytest

from core.errors import BadModel
from core.files import digest, write_json
from tasks.registry import audit, promotion, signing
from tasks.registry.alias import NeverChampion, Registry, RolledBack
from tasks.registry.promotion import VersionRejected
from tasks.registry.trust import KnownDigest, Unverified, decide
from tasks.registry.versions import NO_ROUND
from tasks.state.choosing import at
from tasks.state.line import POLICY
from tasks.tools import lines
from tests.commands import Rounds
from tests.cures import cures, words
from tests.tasks.registry.test_registry import champion, moves, registered, with_champion_2

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def tag(registry: Registry, version: str, key: str, value: str, name: str = "policy") -> None:
    """Set a tag as somebody does who can write to the MLflow server."""
    registry.store.set_model_version_tag(name, version, key, value)


def stored(home: Path, content: str) -> Path:
    """The stored weights with this content."""
    [file] = [f for f in (home / "mlruns").rglob("model.safetensors") if f.read_text() == content]
    return file


def test_the_first_source_that_knows_a_digest_decides() -> None:
    assert decide("t", [("log", None), ("mirror", "m")]) == KnownDigest("m", "mirror")
    assert decide("t", [("log", "l"), ("mirror", "m")]).verified
    assert decide("t", []) == KnownDigest("t", "tag")
    assert [KnownDigest("d", source).verified for source in ("record", "signed mirror", "mirror", "tag")] == [
        *(True, True),
        *(False, False),
    ]


def test_files_replaced_together_with_their_tag_are_refused(home: Path) -> None:
    registry = with_champion_2(home)
    stored(home, "policy 1").write_text("evil")
    copy = shutil.copytree(stored(home, "evil").parent, home / "evil")
    tag(registry, "2", "digest", digest(copy))
    version = registry.version("2")
    assert version.digest == digest(copy)
    with pytest.raises(BadModel, match="by the log"):
        registry.fetch(version, home / "data/champion")


@pytest.mark.parametrize("force", [False, True])
def test_a_replaced_version_is_neither_promoted_nor_rolled_back_to(home: Path, force: bool) -> None:
    registry = with_champion_2(home)
    for content in ("policy 0", "policy 2"):
        stored(home, content).write_text("evil")
    tag(registry, "1", "digest", "0" * 64)
    with pytest.raises(BadModel):
        promotion.by_hand(registry, "3", "better", "ana", force)
    with pytest.raises(BadModel):
        registry.rollback(None, "rude", "ana")
    assert champion(registry) == "2"


def test_the_reward_model_of_a_promoted_version_is_compared_too(home: Path) -> None:
    registry = with_champion_2(home)
    reward = registered(registry, 2, "reward")
    tag(registry, "3", "reward_version", reward.version)  # forged, or from an older release: the log has none
    stored(home, "reward 2").write_text("evil")
    assert registry.trust.reward_version(registry.version("3")) is None
    tags = {"round": "7", "round_key": "key7", "reward_version": reward.version}
    late = registry.register("policy", home / "data/checkpoints/policy 1", reward.run_id, tags, {})
    with pytest.raises(BadModel, match="reward version 1"):
        promotion.by_hand(registry, late.version, "better", "ana", force=True)
    tag(registry, late.version, "reward_version", "9")
    assert registry.trust.reward_version(registry.version(late.version)) == "1"


def test_an_edited_tag_alone_is_named_and_does_not_stop_a_rollback(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = with_champion_2(home)
    tag(registry, "1", "digest", "0" * 64)
    with caplog.at_level(logging.WARNING):
        assert registry.rollback(None, "rude", "ana").now.version == "1"
    assert "policy version 1: its tag in MLflow has another digest (000000000000…)" in caplog.text
    line = audit.read(home / "data/audit.jsonl")[-1]
    assert line.facts["digest"] == registry.trust.known(registry.version("1")).digest != "0" * 64


def test_a_forged_tag_leads_no_rollback_to_a_version_that_never_was_champion(home: Path) -> None:
    registry = with_champion_2(home, versions=4)
    tag(registry, "2", "rollback_to", "4")
    assert registry.rollback(None, "rude", "ana").now.version == "1"
    registry.promote("3", "1", "better", "ana")
    log = home / "data/audit.jsonl"
    log.unlink()  # another machine: neither log nor, without its identity, a move that it knows
    tag(registry, "3", "rollback_to", "4")
    other = Registry(home)
    assert other.predecessor(other.version("3")) == "1"
    with pytest.raises(NeverChampion):
        other.rollback("4", "rude", "ana")


def test_a_rejected_version_stays_rejected_whatever_its_tags_say(home: Path) -> None:
    registry = with_champion_2(home)
    tags = {"round": "3", "round_key": "key3", "verdict": "reject"}
    run = registered(registry, 3, "reward").run_id
    rejected = registry.register("policy", home / "data/checkpoints/policy 0", run, tags, {})
    tag(registry, rejected.version, "verdict", "promote")
    with pytest.raises(VersionRejected):
        promotion.by_hand(registry, rejected.version, "looks fine", "eve", force=False)
    forged = {"kind": "promote", "left": "1", "target": rejected.version, "state": "committed"}
    experiment = registry.store.get_experiment_by_name("promotions")
    assert experiment is not None
    registry.store.create_run(experiment.experiment_id, tags={**forged, "reason": "", "who": ""})
    with pytest.raises(NeverChampion):
        registry.rollback(rejected.version, "rude", "ana")


def test_a_rolled_back_version_stays_marked_without_its_tag(home: Path) -> None:
    registry = with_champion_2(home)
    registry.rollback(None, "rude", "ana")
    registry.store.delete_model_version_tag("policy", "2", "rolled_back")
    with pytest.raises(RolledBack, match="rude"):
        registry.promote("2", "1", "better", "rounds")
    tag(registry, "1", "forced", "by nobody")
    assert registry.forced(registry.version("1")) is None


@pytest.fixture
def elsewhere(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another machine that uses the registry of `home`."""
    with_champion_2(home)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home / 'mlflow.db'}")
    other = at(tmp_path / "other machine")
    lines.note(other, POLICY)  # as `rounds adopt policy` does
    return other.root


@cures("tasks.registry.alias.Registry._refuse_unverified: rounds promote … --unverified --reason …")
def test_another_machine_rolls_back_with_a_warning_and_promotes_only_what_it_is_told_to(
    elsewhere: Path, caplog: pytest.LogCaptureFixture, rounds: Rounds
) -> None:
    other = Registry(elsewhere)
    assert other.trust.known(other.version("3")).source == "mirror"
    with pytest.raises(Unverified) as error:
        promotion.by_hand(other, "3", "better", "ana", force=False)
    with caplog.at_level(logging.WARNING):
        assert other.rollback(None, "rude", "ana").now.version == "1"
    assert "policy version 1 is unverified" in caplog.text
    promoting = words(str(error.value), "rounds promote", dots="better")
    assert rounds(*promoting[1:], "-w", elsewhere).code == 0
    assert [event for event, *_ in moves(elsewhere)] == ["found", "rollback", "promote"]
    assert not other.trust.known(other.version("3")).verified  # a line that repeats what MLflow has does not vouch


def test_another_machine_that_trusts_the_key_verifies_what_was_signed(home: Path, elsewhere: Path) -> None:
    signing.generate(home / "audit.pem")
    write_json(home / "params.yaml", {"audit": {"key": "audit.pem"}})
    Registry(home).promote("3", "2", "better", "ana")  # this line is signed, and covers the earlier ones
    shutil.copy(home / "audit.pem.pub", elsewhere)
    write_json(elsewhere / "params.yaml", {"audit": {"trusted_keys": ["audit.pem.pub"]}})
    other = Registry(elsewhere)
    assert {other.trust.known(version).source for version in other.versions("policy")} == {"signed mirror"}
    assert promotion.by_hand(other, "1", "better", "ana", force=False) == "done"


def test_a_tag_that_differs_from_the_mirror_is_compared_with_the_files(elsewhere: Path, home: Path) -> None:
    other = Registry(elsewhere)
    tag(other, "1", "digest", "0" * 64)
    stored(home, "policy 0").write_text("evil")
    with pytest.raises(BadModel, match="by the mirror"):
        other.rollback(None, "rude", "ana")


def test_an_emergency_does_not_depend_on_a_key_that_cannot_be_read(elsewhere: Path) -> None:
    write_json(elsewhere / "params.yaml", {"audit": {"trusted_keys": ["missing.pub"]}})
    assert Registry(elsewhere).rollback(None, "rude", "ana").now.version == "1"


def test_a_version_whose_tags_somebody_deleted_is_still_found_by_the_log(home: Path) -> None:
    registry = with_champion_2(home)
    for name in ("digest", "round"):
        registry.store.delete_model_version_tag("policy", "1", name)
    version = registry.version("1")
    assert (version.digest, version.round, registry.trust.known(version).source) == ("", NO_ROUND, "log")
    assert registry.rollback(None, "rude", "ana").now.version == "1"


def test_what_the_log_of_another_machine_rejected_stays_rejected(home: Path, elsewhere: Path) -> None:
    registry = Registry(home)
    tags = {"round": "9", "round_key": "key9", "verdict": "reject"}
    run = registered(registry, 9, "reward").run_id
    rejected = registry.register("policy", home / "data/checkpoints/policy 0", run, tags, {})
    registry.rollback(None, "rude", "ana")
    tag(registry, rejected.version, "verdict", "promote")
    registry.store.delete_model_version_tag("policy", "2", "rolled_back")
    other = Registry(elsewhere)
    with pytest.raises(VersionRejected):
        promotion.by_hand(other, rejected.version, "fine", "eve", force=False, unverified=True)
    with pytest.raises(RolledBack, match="rude"):
        promotion.by_hand(other, "2", "fine", "eve", force=False, unverified=True)
