"""`rounds evidence`, and the cards that closing a round adds to each version, on real rounds."""

import hashlib
import json
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml

from tasks.pages.cards import FOLDER
from tasks.registry import audit, incidents
from tasks.registry.alias import Registry
from tasks.registry.archive import Archive
from tasks.state import records
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.crowd import votes
from tests.flows.feedback_files import imported
from tests.profile import TINY, only
from tests.workspaces import run_round


def packed(rounds: Rounds, root: Path, query: str, into: Path) -> dict[str, bytes]:
    result = rounds("evidence", query, "--into", into, "-w", root)
    assert result.code == 0, result.err
    assert "not a claim of compliance" in result.out
    with ZipFile(into) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_everything_about_a_version_in_one_archive(rounds: Rounds, followed: Workspace, tmp_path: Path) -> None:
    files = packed(rounds, followed.root, "policy@champion", tmp_path / "one.zip")
    sums = dict(line.split("  ")[::-1] for line in files.pop("SHA256SUMS").decode().splitlines())
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    record = records.read(followed, 1)
    assert json.loads(files["gates.json"])["result"] == record.verdict.result
    assert json.loads(files["metrics.json"]).items() >= record.metrics.items()
    assert yaml.safe_load(files["round.yaml"]) == record.inputs.to_json()
    assert files["model-card.md"].decode().split("---\n")[2].strip().startswith("# policy version 2")
    assert "# reward version 1" in files["reward-card.md"].decode()
    assert "# Data of round 1" in files["data-card.md"].decode()
    attacks = json.loads(files["red-team.json"])
    assert len(attacks) == record.metrics["evaluate/red_team_prompts"]
    assert sum(row["harmful"] for row in attacks) / len(attacks) == record.metrics["evaluate/red_team_success"]
    assert len(json.loads(files["adversarial.json"])) == record.metrics["evaluate/adversarial_pairs"]
    assert json.loads(files["audit-verification.json"])["sound"] is True
    assert files["audit.jsonl"] in followed.audit.read_bytes()
    assert [move["target"] for move in json.loads(files["promotions.json"])] == ["2"]
    assert "policy/2" in files["lineage.txt"].decode()
    assert b"simulated" in files["lineage.txt"]  # the kind of annotator
    page = files["README.md"].decode()
    assert "- `approvals.jsonl`: " in page
    assert "| Pre-Deployment Testing | model-card.md, reward-card.md, gates.json" in page


def test_the_same_records_give_the_same_bytes(rounds: Rounds, followed: Workspace, tmp_path: Path) -> None:
    packed(rounds, followed.root, "policy/2", tmp_path / "one.zip")
    packed(rounds, followed.root, "2", tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_mlflow_alone_is_enough(
    rounds: Rounds, followed: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = packed(rounds, followed.root, "policy/3", tmp_path / "here.zip")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{followed.root}/mlflow.db")
    elsewhere = packed(rounds, tmp_path / "empty", "policy/3", tmp_path / "elsewhere.zip")
    assert set(local) - set(elsewhere) == {"audit-verification.json", "audit.jsonl"}
    same = set(elsewhere) - {
        "README.md",
        "SHA256SUMS",
        "lineage.txt",
        "lineage.json",
    }  # annotators are in the workspace only
    assert [name for name in same if local[name] != elsewhere[name]] == ["registry.json"]
    here, there = (json.loads(files["registry.json"]) for files in (local, elsewhere))
    assert (here.pop("known_digest")["source"], there.pop("known_digest")["source"]) == ("log", "mirror")
    assert here == there
    assert "- `audit-verification.json`: " in elsewhere["README.md"].decode()


def test_a_first_model_has_a_card_and_no_gates(rounds: Rounds, followed: Workspace, tmp_path: Path) -> None:
    files = packed(rounds, followed.root, "policy/1", tmp_path / "first.zip")
    assert "# policy version 1" in files["model-card.md"].decode()
    assert not {"gates.json", "red-team.json", "evaluation.json", "reward-card.md"} & set(files)


def test_incidents_and_approvals_are_in_it(rounds: Rounds, continued: Workspace, tmp_path: Path) -> None:
    version = Registry(continued.root).version("2")
    audit.append(continued.audit, "approval", "ana", key=version.tags["round_key"], reason="read it")
    assert rounds("incident", "open", "--what", "rude", "--version", "2", "-w", continued.root).code == 0
    [opened] = incidents.every(continued.audit)
    assert rounds("incident", "close", opened.number, "mended", "-w", continued.root).code == 0
    files = packed(rounds, continued.root, "policy/2", tmp_path / "one.zip")
    assert json.loads(files["approvals.jsonl"])["who"] == "ana"
    assert [json.loads(line)["facts"]["said"] for line in files["incidents.jsonl"].splitlines()] == ["rude", "mended"]
    lines = continued.audit.read_bytes().splitlines()
    continued.audit.write_bytes(b"\n".join([lines[0], lines[2], lines[1], *lines[3:]]) + b"\n")
    tampered = packed(rounds, continued.root, "policy/2", tmp_path / "two.zip")
    assert json.loads(tampered["audit-verification.json"])["sound"] is False


def test_it_names_no_annotator(rounds: Rounds, continued: Workspace, tmp_path: Path) -> None:
    people = ("Meier-Anna", "Vogel-Ben", "Kaya-Cem")
    cast = [vote for name in people for vote in votes(name, 110, reversed=name == people[0])]
    imported(continued, "crowd.jsonl", cast)
    run_round(continued, [*TINY, only("annotators", "{}"), "collect.prompts=40"])
    assert "annotator " in str(records.read(continued, 2).verdict)
    assert people[0] in continued.report("reward").read_text()  # the report that the reason of the gate refers to
    files = packed(rounds, continued.root, "policy/3", tmp_path / "one.zip")
    assert {name: person for name, content in files.items() for person in people if person.encode() in content} == {}


def test_a_version_that_is_not_there(rounds: Rounds, followed: Workspace) -> None:
    result = rounds("evidence", "reward/1", "-w", followed.root)
    assert result.code == 2
    assert "'reward/1'" in result.err
    assert "1, 2, 3" in result.err


def test_a_card_is_at_each_version_and_at_the_run(followed: Workspace) -> None:
    registry, archive = Registry(followed.root), Archive(followed.root)
    for version in [*registry.versions("policy"), *registry.versions("reward")]:
        shown = registry.store.get_model_version(version.name, version.version).description
        assert shown is not None
        assert shown.startswith(f"# {version.name} version {version.version}")
        assert "## Limits" in shown
        whole = archive.files(version.run_id, FOLDER)[f"{version.name}-card.md"].decode()
        assert shown.rpartition("\n\nThe whole card")[0] in whole
    note = registry.store.get_run(registry.version("2").run_id).data.tags["mlflow.note.content"]
    assert "# policy version 2" in note.splitlines()


def test_red_team_attacks_are_a_table_of_the_run(followed: Workspace) -> None:
    probes = Archive(followed.root).files(records.read(followed, 2).run_id, "probes")
    table = json.loads(probes["red_team.json"])
    assert table["columns"][:3] == ["category", "prompt", "answer"]
    assert len(table["data"]) == records.metrics(followed, 2)["evaluate/red_team_prompts"]
