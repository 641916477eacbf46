"""`rounds lineage`, on real rounds."""

import json
import subprocess
from typing import Any

import pytest
import yaml

from tasks.registry.alias import Registry
from tasks.state import records
from tasks.state.workspace import PROJECT, Workspace
from tasks.tools.versioning import DataGraph
from tests.commands import Rounds


def traced(rounds: Rounds, workspace: Workspace, query: str) -> Any:
    result = rounds("lineage", query, "--json", "-w", workspace.root)
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_from_any_of_them_to_all_the_others(rounds: Rounds, followed: Workspace) -> None:
    record = records.read(followed, 2)
    version = Registry(followed.root).version("3")
    policy = DataGraph(followed.root).hashes()["policy"]["data/checkpoints/policy"]
    names = ("policy/3", record.run_id, "2", record.key, policy, version.digest)
    trees = [traced(rounds, followed, query)["rounds"] for query in names]
    assert all(tree == trees[0] for tree in trees)
    [[tree]] = trees[:1]
    assert (tree["round"], tree["verdict"], tree["run"], tree["key"]) == (2, "hold", record.run_id, record.key)
    assert (tree["parent"]["key"], tree["champion"]) == (record.parent, "policy/2")
    assert [entry["version"] for entry in tree["versions"]] == ["policy/3", "reward/2"]
    hashes = {(entry["step"], entry["path"]): entry["md5"] for entry in tree["data"]}
    [output] = yaml.safe_load((followed.data / "previous.dvc").read_text())["outs"]
    assert hashes.pop(("opening", "data/previous")) == output["md5"]
    assert hashes == {
        (s, path): md5 for s, outs in DataGraph(followed.root).hashes().items() for path, md5 in outs.items()
    }
    assert {entry["annotator"] for entry in (*tree["feedback"], *tree["votes"])} == {"simulated"}
    assert sum(entry["records"] for entry in tree["feedback"]) == record.metrics["curate/events"]


def test_a_commit_and_an_annotator_lead_to_every_round(rounds: Rounds, followed: Workspace) -> None:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=PROJECT, capture_output=True, text=True).stdout.strip()
    assert [entry["round"] for entry in traced(rounds, followed, "annotator:simulated")["rounds"]] == [0, 1, 2]
    if commit:  # an unpacked archive has none
        assert [entry["round"] for entry in traced(rounds, followed, commit)["rounds"]] == [0, 1, 2]


def test_the_run_of_a_step_is_its_rounds(rounds: Rounds, followed: Workspace) -> None:
    store = Registry(followed.root).store
    parent = records.read(followed, 1).run_id
    home = records.read(followed, 1).experiment
    [step] = store.search_runs([home], f"tags.`mlflow.parentRunId` = '{parent}' and tags.step = 'reward'")
    assert [entry["run"] for entry in traced(rounds, followed, step.info.run_id)["rounds"]] == [parent]
    assert [entry["run"] for entry in traced(rounds, followed, step.info.run_id[:8])["rounds"]] == [parent]


def test_the_tree_is_printed(rounds: Rounds, followed: Workspace) -> None:
    lines = rounds("lineage", "policy@champion", "-w", followed.root).out.splitlines()
    assert lines[0] == "policy@champion: version"
    assert "round 1  promote" in lines[1]
    assert any("policy/2" in line and "champion; with reward/1" in line for line in lines)
    assert any("led to     round 2" in line for line in lines)


def test_no_line_of_the_tree_is_cut(rounds: Rounds, followed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out = rounds("lineage", "2", "-w", followed.root).out
    [round_] = traced(rounds, followed, "2")["rounds"]
    assert f"(code {round_['code']})" in out
    assert all(f"{entry['md5']}  {entry['path']}\n" in out for entry in round_["data"])


def test_an_unknown_name(rounds: Rounds, followed: Workspace) -> None:
    result = rounds("lineage", "policy/99", "-w", followed.root)
    assert (result.code, "'policy/99'" in result.err) == (2, True)
