"""A registry or `data/` from another time is noticed, and the cure that the message names works when it is typed."""

import json
import logging
import shlex
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadWorkspace
from core.files import write_json
from evaluation.verdict import Finding, Verdict
from tasks.registry import audit, consistency, signing
from tasks.registry.alias import NeverChampion, Registry
from tasks.registry.consistency import Disagreement, Inconsistent, RegistryState, inspect, refuse
from tasks.registry.versions import ModelVersion
from tasks.rounds import opening
from tasks.state import records
from tasks.state.records import RoundRecord
from tasks.state.workspace import Workspace
from tasks.tools import tracking
from tests.commands import Rounds
from tests.cures import cures, words
from tests.tasks.registry.test_registry import champion, registered
from tests.tasks.state.recorded import record

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

PROMOTE = Verdict(findings=(Finding(gate="win_rate", result="promote", reason="it won"),))


def finish(workspace: Workspace, number: int, version: str, verdict: Verdict) -> None:
    """Write the record of a hand-made round."""
    made = record(number, version, verdict).model_copy(update={"key": f"key{number}"})
    records.write(workspace, made)


@pytest.fixture
def made(workspace: Workspace) -> Workspace:
    """Rounds 0 and 1 promoted versions 1 and 2, and round 2 held version 3."""
    registry = Registry(workspace.root)
    for number, verdict in enumerate((Verdict(bootstrap=True), PROMOTE, Verdict())):
        registered(registry, number)
        finish(workspace, number, str(number + 1), verdict)
    registry.promote("1", None, "first", "rounds", kind="bootstrap")
    registry.promote("2", "1", "win rate .61", "rounds")
    return workspace


def found(workspace: Workspace) -> list[Disagreement]:
    return inspect(workspace, Registry(workspace.root))


def names(workspace: Workspace) -> list[tuple[str, str]]:
    return [(difference.severity, difference.identity) for difference in found(workspace)]


def test_each_record_and_each_model_is_read_once(made: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    registry, read, asked = Registry(made.root), list[int](), list[str]()
    real_read, client = records.read, type(registry.store)
    real_search = client.search_model_versions

    def search(self: Any, condition: str, **options: Any) -> Any:
        asked.append(condition)
        return real_search(self, condition, **options)

    def read_one(workspace: Workspace, number: int) -> RoundRecord:
        read.append(number)
        return real_read(workspace, number)

    monkeypatch.setattr(client, "search_model_versions", search)
    monkeypatch.setattr(records, "read", read_one)
    assert inspect(made, registry) == []
    assert read == [0, 1, 2]
    assert asked == ["name = 'policy'", "name = 'reward'"]


def test_the_versions_are_looked_through_once_however_many_the_log_knows() -> None:
    through: list[int] = []

    class Versions(tuple[ModelVersion, ...]):
        def __iter__(self) -> Iterator[ModelVersion]:
            through.append(len(self))
            return super().__iter__()

    made = [ModelVersion.of("policy", str(number), "", {}, datetime.now(UTC)) for number in (1, 2, 3)]
    state = RegistryState(Versions(made), "3")
    assert [state.find("policy", str(number)) for number in range(5)] == [None, *made, None]
    assert through == [3]
    assert [state.newest(name) for name in ("policy", "reward", "policy")] == [3, 0, 3]
    assert through == [3, 3]


def opens(workspace: Workspace) -> bool:
    """Whether a round would open, as far as the registry goes."""
    with opening._reconciled(workspace):
        return True


def cured(workspace: Workspace, rounds: Rounds, begins: str, **placeholders: str) -> str:
    """Type the cure that an opening round prints; the round then opens. Returns what the command printed."""
    with pytest.raises(Inconsistent) as error:
        opens(workspace)
    typed = words(str(error.value), f"rounds {begins}", dots="because", **placeholders)
    result = rounds(*typed[1:], "-w", workspace.root)
    assert result.code == 0, result.err
    assert opens(workspace)
    return result.out


def snapshot(workspace: Workspace, into: Path, *parts: str) -> dict[Path, Path]:
    """Copies of parts of a workspace: from where, to where."""
    copies = {}
    for part in parts:
        source, target = workspace.root / part, into / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
        copies[source] = target
    return copies


def put_back(copies: dict[Path, Path]) -> None:
    for source, target in copies.items():
        if target.is_dir():
            shutil.rmtree(source)
            shutil.copytree(target, source)
        else:
            shutil.copyfile(target, source)


def test_a_workspace_as_its_rounds_left_it_has_no_differences(made: Workspace, rounds: Rounds) -> None:
    assert found(made) == []
    assert opens(made)
    assert rounds("audit", "verify", "-w", made.root).code == 0
    Registry(made.root).rollback(None, "rude", "ana")
    assert names(made) == []


def test_a_registration_that_was_killed_is_no_difference(made: Workspace) -> None:
    registry, log = Registry(made.root), made.audit
    version = registered(registry, 3)
    lines = audit.lines(log)
    audit.replace(log, lines[:-1])  # as if killed between the version and its line
    for file in log.parent.glob("audit.jsonl.damaged-*"):
        file.unlink()
    assert names(made) == []
    assert registered(registry, 3) == version
    assert [audit.parse(line).facts["version"] for line in audit.lines(log)[-1:]] == ["4"]  # type: ignore[union-attr]
    assert registered(registry, 3) == version
    assert len(audit.lines(log)) == len(lines)


@cures("tasks.registry.consistency._alias: rounds promote … --reason …")
def test_a_deleted_alias(made: Workspace, rounds: Rounds) -> None:
    Registry(made.root).store.delete_registered_model_alias("policy", "champion")
    assert names(made) == [("error", "alias:unset")]
    assert "error: policy@champion is unset" in rounds("status", "-w", made.root).out
    assert json.loads(rounds("plan", "--json", "-w", made.root).out)["would"] == "refuse"
    cured(made, rounds, "promote 2")
    assert champion(Registry(made.root)) == "2"
    assert names(made) == []


def test_an_alias_set_by_hand_to_a_version_of_no_round(made: Workspace, rounds: Rounds) -> None:
    store = Registry(made.root).store
    version = store.create_model_version("policy", str(made.root / "by hand"))
    store.set_registered_model_alias("policy", "champion", str(version.version))
    assert names(made) == [("error", "alias:4")]
    assert rounds("status", "-w", made.root).code == 0
    cured(made, rounds, "promote 2")
    assert champion(Registry(made.root)) == "2"


def test_the_champions_version_was_deleted(made: Workspace, rounds: Rounds) -> None:
    Registry(made.root).store.delete_model_version("policy", "2")
    assert names(made) == [("warning", "missing:policy/2"), ("error", "alias:unset")]
    cured(made, rounds, "promote 1")
    assert champion(Registry(made.root)) == "1"
    assert names(made) == [("warning", "missing:policy/2")]  # named until somebody accepts it
    assert rounds("audit", "accept", "--reason", "no space", "-w", made.root).code == 0
    assert names(made) == []


@cures("tasks.registry.consistency.ACCEPT_CURE: rounds audit accept --reason …")
def test_a_deleted_newest_version_looks_like_an_older_registry_until_it_is_accepted(
    made: Workspace, rounds: Rounds
) -> None:
    Registry(made.root).store.delete_model_version("policy", "3")
    assert names(made) == [("error", "missing:policy/3")]
    cured(made, rounds, "audit accept")
    assert names(made) == []
    line = audit.read(made.audit)[-1]
    assert (line.event, line.facts["gone"], line.facts["reason"]) == ("accept", ["policy/3"], "because")


@cures("tasks.registry.consistency.RESTORE_CURE: rounds restore FROM --replace")
def test_a_registry_restored_from_an_older_copy(made: Workspace, rounds: Rounds, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    copies = snapshot(made, tmp_path / "older", "mlflow.db")
    registered(Registry(made.root), 3)
    finish(made, 3, "4", PROMOTE)
    Registry(made.root).promote("4", "2", "better", "rounds")
    assert rounds("backup", backup, "-w", made.root).code == 0
    put_back(copies)
    assert names(made) == [("error", "missing:policy/4")]
    with pytest.raises(Inconsistent, match="restored from an older copy") as error:
        opens(made)
    restoring = words(str(error.value), "rounds restore", FROM=str(backup))
    new = Workspace(tmp_path / "new")  # elsewhere: connections of this process stay with the replaced file
    assert rounds(*restoring[1:], "-w", new.root).code == 0
    assert (names(new), opens(new), champion(Registry(new.root))) == ([], True, "4")
    cured(made, rounds, "audit accept")  # the second
    version = registered(Registry(made.root), 4)
    finish(made, 4, version.version, Verdict())
    assert (version.version, names(made)) == ("4", [])  # the number stands for the new version from now on


def test_another_registry_is_not_taken_for_the_own_one(
    made: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'other.db'}")
    with pytest.raises(BadWorkspace, match="MLFLOW_TRACKING_URI"):
        opens(made)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert opens(made)


def test_a_new_registry_that_gave_a_number_again(made: Workspace, rounds: Rounds) -> None:
    registry = Registry(made.root)
    registry.store.set_model_version_tag("policy", "3", "digest", "0" * 64)
    assert [name.rpartition(":")[0] for _, name in names(made)] == ["digest:policy/3"]
    registry.store.set_model_version_tag("policy", "3", "digest", registry.trust.known(registry.version("3")).digest)
    assert names(made) == []
    registry.store.set_model_version_tag("policy", "3", "digest", "0" * 64)
    cured(made, rounds, "audit accept")
    refused = rounds("adopt", "--reason", "checked", "-w", made.root)
    assert (refused.code, "policy version 3" in refused.err) == (2, True)  # its files have not that digest


@cures(
    "tasks.registry.consistency.DATA_CURE: rounds restore FROM --replace",
    "tasks.registry.mending._signed: rounds audit restore --unverified",
)
def test_data_restored_from_an_older_copy(made: Workspace, rounds: Rounds, tmp_path: Path) -> None:
    copies = snapshot(made, tmp_path / "older", "data")
    registered(Registry(made.root), 3)
    finish(made, 3, "4", PROMOTE)
    Registry(made.root).promote("4", "2", "better", "rounds")
    assert rounds("backup", tmp_path / "backup", "-w", made.root).code == 0
    put_back(copies)
    with pytest.raises(Inconsistent, match=r"lacks 2 lines .* line 6"):
        opens(made)
    cured(made, rounds, "restore", FROM=str(tmp_path / "backup"))
    put_back(copies)
    lines = len(audit.lines(made.audit))
    refused = rounds("audit", "restore", "-w", made.root)
    assert refused.code == 2
    assert rounds(*words(refused.err, "rounds audit restore")[1:]).code == 0
    assert len(audit.lines(made.audit)) == lines + 2
    assert names(made) == [("error", "record:key3")]
    cured(made, rounds, "audit accept")
    assert opening.next_number(made, Registry(made.root)) == 4  # no second round 3


def test_data_restored_from_an_older_copy_can_be_accepted_as_it_is(
    made: Workspace, rounds: Rounds, tmp_path: Path
) -> None:
    copies = snapshot(made, tmp_path / "older", "data")
    Registry(made.root).promote("3", "2", "better", "ana")
    put_back(copies)
    cured(made, rounds, "audit accept")
    assert names(made) == []
    assert champion(Registry(made.root)) == "3"


@cures("tasks.registry.consistency.LOG_CURE: rounds audit restore --unverified")
@pytest.mark.parametrize("cure", ["audit restore --unverified", "audit accept"])
@pytest.mark.parametrize("damage", ["edited", "cut", "removed", "head"])
def test_a_damaged_log(made: Workspace, rounds: Rounds, cure: str, damage: str) -> None:
    registry, log = Registry(made.root), made.audit
    registry.reconcile()
    lines = audit.lines(log)
    if damage == "edited":
        log.write_bytes(log.read_bytes().replace(b".61", b".91"))
    elif damage == "cut":
        log.write_bytes(b"".join(line + b"\n" for line in lines[:3]))
    elif damage == "removed":
        log.unlink()
    else:
        log.with_name("audit.jsonl.head").write_text("{}")
    with pytest.raises(Inconsistent) as error:
        refuse(made, registry)
    typed = words(str(error.value), f"rounds {cure}", dots="because")
    assert rounds(*typed[1:], "-w", made.root).code == 0
    assert (audit.verify(log), opens(made)) == ([], True)
    assert names(made) == []
    kept = [file.read_bytes() for file in log.parent.glob("audit.jsonl.damaged-*")]
    assert len(kept) == (damage != "removed")
    if cure.startswith("audit restore"):
        assert audit.lines(log)[: len(lines)] == lines
    assert rounds("audit", "verify", "-w", made.root).code == 0


@cures("tasks.registry.consistency.LOG_CURE: rounds audit restore")
def test_a_damaged_log_whose_lines_are_signed(made: Workspace, rounds: Rounds) -> None:
    signing.generate(made.root / "audit.pem")
    write_json(made.params, {"audit": {"key": "audit.pem"}})
    Registry(made.root).promote("3", "2", "better", "ana")
    lines = audit.lines(made.audit)
    made.audit.write_bytes(b"".join(line + b"\n" for line in lines[:3]))
    cured(made, rounds, "audit restore")
    assert audit.lines(made.audit) == lines


@cures("tasks.registry.consistency._reused: rounds adopt --reason …")
def test_a_number_that_was_given_again_is_adopted(made: Workspace, rounds: Rounds, tmp_path: Path) -> None:
    older = snapshot(made, tmp_path / "older", "mlflow.db")
    registered(Registry(made.root), 3)
    finish(made, 3, "4", Verdict())
    newer = snapshot(made, tmp_path / "newer", "data")
    put_back(older)
    [again] = [registered(Registry(made.root), 4)]
    put_back(newer)
    assert again.version == "4"
    assert [name.rpartition(":")[0] for _, name in names(made)] == ["digest:policy/4"]
    with pytest.raises(Inconsistent) as error:
        opens(made)
    adopting = words(str(error.value), "rounds adopt", dots="because")
    cured(made, rounds, "audit accept")
    assert rounds(*adopting[1:], "-w", made.root).code == 0
    assert (names(made), opens(made)) == ([], True)
    assert Registry(made.root).trust.known(again) == (again.digest, "log")


def test_a_dropped_round_that_had_registered_is_no_lost_record(made: Workspace) -> None:
    registered(Registry(made.root), 3)
    assert names(made) == [("error", "record:key3")]
    opening._log_dropped(made, "key3")
    opening._log_dropped(made, "key3")
    opening._log_dropped(made, "key9")
    assert names(made) == []
    assert [line.event for line in audit.read(made.audit)].count("drop") == 1


def test_two_versions_with_one_number_are_named(made: Workspace, rounds: Rounds, tmp_path: Path) -> None:
    """A round that was at work when MLflow was restored registers its version under a number that the log has."""
    older = snapshot(made, tmp_path / "older", "mlflow.db")
    registered(Registry(made.root), 3)
    finish(made, 3, "4", PROMOTE)
    put_back(older)
    registered(Registry(made.root), 4)
    finish(made, 4, "4", Verdict())
    unlogged, reused = names(made)
    assert unlogged[1] == "log:audit.jsonl: no line records that version 4 of round 3 became champion"  # it was not
    assert (reused[0], reused[1].rpartition(":")[0]) == ("warning", "reused:policy/4")
    assert [row.split()[0] for row in rounds("status", "-w", made.root).out.splitlines() if "deleted" in row] == ["3"]
    assert rounds("audit", "accept", "--reason", "known", "-w", made.root).code == 0
    assert names(made) == []


def test_two_rounds_with_one_number_are_named(made: Workspace, rounds: Rounds) -> None:
    registry = Registry(made.root)
    version = registered(registry, 2, "reward")
    tags = {"round": "2", "round_key": "another"}
    registry.register("policy", made.root / "data/checkpoints/policy 1", version.run_id, tags, {})
    opening._log_dropped(made, "another")
    assert names(made) == [("warning", "twice:policy:2:3+4")]
    assert opens(made)
    assert "warning: policy versions 3 and 4" in rounds("audit", "verify", "-w", made.root).out
    assert rounds("audit", "accept", "--reason", "known", "-w", made.root).code == 0
    assert names(made) == []


def test_a_rejected_version_made_champion_by_hand_is_named(made: Workspace) -> None:
    registry = Registry(made.root)
    run = registry.version("3").run_id
    tags = {"round": "3", "round_key": "key3", "verdict": "reject"}
    registry.register("policy", made.root / "data/checkpoints/policy 0", run, tags, {})
    finish(made, 3, "4", Verdict())
    registry.store.set_registered_model_alias("policy", "champion", "4")
    [difference] = found(made)
    assert (difference.severity, difference.identity) == ("warning", "alias:4")
    assert "rounds promote 2 " in str(difference)


@cures("tasks.registry.consistency._unknown_champion: rounds promote … --reason …")
def test_a_champion_that_was_planted_in_mlflow_is_named(made: Workspace, rounds: Rounds) -> None:
    """All tags of a version that is known, under a number that no log has."""
    registry = Registry(made.root)
    known = registry.store.get_model_version("policy", "1")
    planted = registry.store.create_model_version("policy", str(known.source), known.run_id, dict(known.tags))
    registry.store.set_registered_model_alias("policy", "champion", planted.version)
    [difference] = [each for each in found(made) if "no audit log and no record" in each.problem]
    assert (difference.severity, f"version {planted.version}" in difference.problem) == ("warning", True)
    for command in (("status",), ("plan",), ("audit", "verify")):
        assert f"warning: {difference.problem}" in rounds(*command, "-w", made.root).out
    assert json.loads(rounds("plan", "--json", "-w", made.root).out)["warnings"][0].startswith(difference.problem)
    cure = shlex.split(difference.cures[0].split("`")[1].replace("…", "planted"))
    assert rounds(*cure[1:], "-w", made.root).code == 0
    assert not [each for each in found(made) if "no audit log and no record" in each.problem]


def test_a_warning_in_the_log_of_an_opening_round_prints_commands_as_they_are_typed(
    made: Workspace, rounds: Rounds, caplog: pytest.LogCaptureFixture
) -> None:
    Registry(made.root).store.set_model_version_tag("policy", "1", "round", "9999")
    assert rounds("status", "-w", made.root).code == 0  # keeps the option -w, and sets how records are shown
    with caplog.at_level(logging.WARNING):
        assert opens(made)
    typed = words(caplog.records[-1].getMessage(), "rounds audit accept", dots="known")
    assert typed[-2:] == ["-w", str(made.root)]
    assert rounds(*typed[1:]).code == 0
    assert found(made) == []


def row(rounds: Rounds, workspace: Workspace, version: str) -> str:
    """The row of a version in the table of `rounds status`."""
    lines = rounds("status", "-w", workspace.root).out.splitlines()
    return next(line for line in lines if line.split()[1:2] == [version])


def test_a_promotion_that_only_the_journal_has_is_named_and_does_not_count(made: Workspace, rounds: Rounds) -> None:
    registry = Registry(made.root)
    experiment = tracking.find_experiment(registry.store, registry.line.promotions)
    assert experiment is not None
    forged = {"kind": "promote", "left": "1", "target": "3", "state": "committed", "reason": "", "who": ""}
    registry.store.create_run(experiment, tags=forged)
    assert names(made) == [("warning", "journal:policy/3")]
    assert (registry.champions(), registry.former_champions(), registry.last_champion()) == (
        ["2", "1"],
        ["2", "1"],
        "2",
    )
    assert "held" in row(rounds, made, "3")
    with pytest.raises(NeverChampion):
        registry.rollback("3", "rude", "ana")
    cured_by_accepting(made, rounds)


def test_a_rollback_that_only_a_tag_has_is_named_and_does_not_count(made: Workspace, rounds: Rounds) -> None:
    registry = Registry(made.root)
    registry.store.set_model_version_tag("policy", "1", "rolled_back", "rude")
    assert names(made) == [("warning", "rolled_back:policy/1")]
    assert "promoted" in row(rounds, made, "1")
    shown = rounds("lineage", "policy/1", "-w", made.root)
    assert ("tag rolled_back" in shown.out, "rolled back: rude" in shown.out) == (True, False)
    [difference] = json.loads(rounds("lineage", "policy/1", "--json", "-w", made.root).out)["disagreements"]
    assert "policy version 1" in difference
    cured_by_accepting(made, rounds)


def test_a_rollback_whose_tag_was_deleted_is_still_shown(made: Workspace, rounds: Rounds) -> None:
    registry = Registry(made.root)
    registry.rollback(None, "rude", "ana")
    registry.store.delete_model_version_tag("policy", "2", "rolled_back")
    assert names(made) == [("warning", "no_rollback:policy/2")]
    assert "rolled back" in row(rounds, made, "2")
    assert "rolled back: rude" in rounds("lineage", "policy/2", "-w", made.root).out
    assert Registry(made.root).former_champions() == ["1"]
    cured_by_accepting(made, rounds)


def cured_by_accepting(workspace: Workspace, rounds: Rounds) -> None:
    """Type the cure that `audit verify` prints with its warning."""
    verified = rounds("audit", "verify", "-w", workspace.root)
    typed = words(verified.out, "rounds audit accept", dots="known")
    assert rounds(*typed[1:]).code == 0
    assert found(workspace) == []


def test_a_move_that_a_kill_left_open_is_no_difference(made: Workspace) -> None:
    registry = Registry(made.root)
    registry._journal.intend("rollback", "2", "1", "rude", "ana")
    registry.store.set_registered_model_alias("policy", "champion", "1")
    registry.store.set_model_version_tag("policy", "2", "rolled_back", "rude")
    assert names(made) == []
    assert opens(made)
    assert (names(made), registry.recorded_rollback(registry.version("2"))) == ([], "rude")


def test_edited_tags_of_round_and_verdict_are_named(made: Workspace) -> None:
    registry = Registry(made.root)
    registry.store.set_model_version_tag("policy", "1", "round", "9999")
    [difference] = found(made)
    assert (difference.severity, "of round 9999" in difference.problem) == ("warning", True)


@cures("tasks.registry.mending.accept: rounds audit verify")
def test_nothing_to_accept_and_nothing_to_restore_are_errors(made: Workspace, rounds: Rounds) -> None:
    assert rounds("audit", "restore", "--unverified", "-w", made.root).code == 2
    refused = rounds("audit", "accept", "--reason", "why not", "-w", made.root)
    assert refused.code == 2
    assert rounds(*words(refused.err, "rounds audit verify")[1:]).code == 0
    assert rounds("audit", "accept", "--reason", " ", "-w", made.root).code == 2
    assert consistency.errors(found(made)) == []
