"""The copy of the audit log in MLflow."""

import shutil
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from core.files import write_json
from tasks.registry import audit, mirror, signing
from tasks.registry.alias import Registry
from tasks.registry.audit import AuditSettings
from tasks.registry.mirror import MirroredLine, attested
from tasks.state.choosing import at
from tasks.state.line import POLICY
from tasks.state.workspace import Workspace
from tasks.tools import lines
from tests.tasks.registry.test_registry import Failing, registered, with_champion_2

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def texts(registry: Registry) -> list[bytes]:
    return [line.text for line in registry.mirror.own()]


def test_the_mirror_has_the_lines_of_the_log_in_order(home: Path) -> None:
    registry = with_champion_2(home)
    lines = audit.lines(home / "data/audit.jsonl")
    assert len(lines) == 5
    assert texts(registry) == lines
    assert texts(Registry(home)) == lines
    registry.send()  # again: nothing new
    assert texts(registry) == lines


def test_long_lines_and_many_lines_are_kept_whole(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "SEGMENT", 3)
    registry, log = Registry(home), home / "data/audit.jsonl"
    for number in range(8):
        audit.append(log, "incident opened", "ana", version="1", said=f"{number} ü\n" * 2500)
        if number in (3, 4):
            registry.send()
    registry.send()
    assert registry.lacking == []
    assert texts(registry) == audit.lines(log)
    assert len(registry.store.search_runs([registry.mirror._experiment])) == 3


def test_lines_that_could_not_be_sent_are_sent_by_the_next_command(home: Path) -> None:
    registry = with_champion_2(home)
    real = registry.store
    broken: Failing = Failing(real, "log_batch", MlflowException("503"))
    registry.store = broken  # type: ignore[assignment]
    registry.promote("3", "2", "better", "ana")
    assert len(texts(Registry(home))) == 5
    Registry(home).reconcile()
    assert texts(Registry(home)) == audit.lines(home / "data/audit.jsonl")


def test_a_log_that_was_cut_sends_nothing_and_names_what_it_lacks(home: Path) -> None:
    registry, log = with_champion_2(home), home / "data/audit.jsonl"
    lines = audit.lines(log)
    older = home / "older"
    audit.replace(log, lines[:3])
    shutil.rmtree(older, ignore_errors=True)
    registry.reconcile()  # finds a move that the log lacks, and logs it
    assert [line.text for line in registry.lacking] == lines[3:]
    assert texts(registry) == lines


def test_a_restored_database_gets_the_lines_again(home: Path) -> None:
    registry = with_champion_2(home)
    shutil.copy(home / "mlflow.db", home / "older.db")
    registry.promote("3", "2", "better", "ana")
    shutil.copy(home / "older.db", home / "mlflow.db")
    again = Registry(home)
    again.send()
    assert texts(again) == audit.lines(home / "data/audit.jsonl")


def test_two_workspaces_of_one_registry_have_a_chain_each(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home / 'mlflow.db'}")
    lines.note(at(tmp_path / "second"), POLICY)  # as `rounds adopt policy` does
    first, second = Registry(home), Registry(tmp_path / "second")
    registered(first, 0)
    first.promote("1", None, "first", "rounds", kind="bootstrap")
    second.reconcile()
    assert [audit.parse(text).event for text in texts(second)] == ["found"]  # type: ignore[union-attr]
    assert {line.workspace for line in first.mirror.lines()} != {line.workspace for line in first.mirror.own()}
    assert (len(first.mirror.lines()), len(texts(first))) == (3, 2)


def test_a_signature_attests_all_earlier_lines_of_its_chain_and_no_later_one(tmp_path: Path) -> None:
    workspace, log = Workspace(tmp_path), tmp_path / "data/audit.jsonl"
    signing.generate(tmp_path / "audit.pem")
    settings = AuditSettings(key="audit.pem")
    key, keys = signing.private_key(workspace, settings), signing.trusted_keys(workspace, settings)
    assert key is not None
    for number in range(4):
        audit.append(log, "lift", "ana", number=number)
    lines = [MirroredLine("w", number, text) for number, text in enumerate(audit.lines(log), 1)]
    lines[2] = lines[2]._replace(signature=key.sign("w", lines[2].text))
    forged = MirroredLine("w", 2, lines[1].text.replace(b"ana", b"eve"))
    assert [line.seq for line in attested([*lines, forged], keys)] == [3, 2, 1]
    assert forged not in attested([*lines, forged], keys)
    assert attested([line._replace(workspace="v") for line in lines], keys) == []


def test_the_key_of_params_signs_what_is_sent(home: Path) -> None:
    signing.generate(home / "audit.pem")
    write_json(home / "params.yaml", {"audit": {"key": "audit.pem"}})
    registry = with_champion_2(home)
    assert all(line.signature for line in registry.mirror.own())
    assert set(registry.mirror.mirrored.signed.versions) == {("policy", "1"), ("policy", "2"), ("policy", "3")}
    (home / "audit.pem").unlink()  # an emergency must not depend on the key
    assert registry.rollback(None, "rude", "ana").now.version == "1"
    assert registry.mirror.own()[-1].signature is None
