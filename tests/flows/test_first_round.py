"""The files, runs and versions that rounds 0 and 1 leave in a new workspace."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from core.files import digest, read_json
from core.shown import significant
from tasks.pages.cost import duration
from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.state import records
from tasks.state.cost import numbers
from tasks.state.inputs import Champion
from tasks.state.steps import STEPS
from tasks.state.tables import rows
from tasks.state.workspace import Workspace


@pytest.fixture(scope="module")
def store(finished: Workspace) -> MlflowClient:
    return Registry(finished.root).store


def run_of(store: MlflowClient, workspace: Workspace, number: int) -> Run:
    return store.get_run(records.read(workspace, number).run_id)


def children(store: MlflowClient, parent: Run) -> dict[str, Run]:
    mine = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    return {run.info.run_name: run for run in store.search_runs([parent.info.experiment_id], mine)}


def artifacts(store: MlflowClient, run: Run, folder: str) -> set[str]:
    return {Path(file.path).name for file in store.list_artifacts(run.info.run_id, folder)}


def test_round_0_makes_the_first_champion(finished: Workspace) -> None:
    record = records.read(finished, 0)
    assert (record.number, record.parent, record.version) == (0, None, "1")
    assert record.verdict.to_json() == {"result": "promote", "findings": [], "bootstrap": True}
    assert record.inputs.champion is None
    first = Registry(finished.root).version("1")
    assert (first.round, first.tags["bootstrap"]) == (0, "true")


def test_round_1_is_compared_with_what_round_0_made(finished: Workspace) -> None:
    zero, one = records.read(finished, 0), records.read(finished, 1)
    registry = Registry(finished.root)
    assert (one.number, one.parent, one.version) == (1, zero.key, "2")
    assert one.inputs.champion == Champion(version="1", digest=registry.version("1").digest)
    assert one.inputs.salt == zero.inputs.salt
    assert one.inputs.seed != zero.inputs.seed
    assert one.verdict.result == "promote"
    assert list(one.times) == [step for step in STEPS if step != "sft"]  # done in round 0


def test_the_champion_names_its_round_and_its_reward_model(finished: Workspace) -> None:
    registry = Registry(finished.root)
    champion = registry.champion()
    assert champion is not None
    assert (champion.version, champion.round, champion.tags["verdict"]) == ("2", 1, "promote")
    assert champion.digest == digest(finished.checkpoint("policy"))
    assert champion.tags["round_key"] == records.read(finished, 1).key
    reward = registry.version(champion.tags["reward_version"], "reward")
    assert (reward.round, reward.digest) == (1, digest(finished.checkpoint("reward")))


def test_a_version_names_the_template_and_the_data_lock_that_belong_to_it(finished: Workspace) -> None:
    registry = Registry(finished.root)
    for version in (*registry.versions("policy"), *registry.versions("reward")):
        [lock] = finished.root.glob(f"mlruns/{version.run_id}/artifacts/round/dvc.lock")
        assert version.tags["data_lock"] == digest(lock)
        assert version.tags["prompt_template"] == digest(finished.checkpoint("policy") / "chat_template.jinja")


def test_a_round_is_a_run_with_a_child_for_each_step(finished: Workspace, store: MlflowClient) -> None:
    parent = run_of(store, finished, 1)
    assert (parent.info.run_name, parent.info.status) == ("round 1", "FINISHED")
    steps = children(store, parent)
    assert set(steps) == set(STEPS) - {"sft"}
    assert {run.info.status for run in steps.values()} == {"FINISHED"}
    history = store.get_metric_history(steps["policy"].info.run_id, "policy/objective/kl")
    assert [point.step for point in history] == [0, 1, 2, 3]


def test_the_run_carries_numbers_knobs_and_keys(finished: Workspace, store: MlflowClient) -> None:
    run, record = run_of(store, finished, 1), records.read(finished, 1)
    measured = {name: value for name, value in run.data.metrics.items() if not name.startswith("cost/")}
    assert measured == {name: significant(value) for name, value in record.metrics.items()}
    assert {name.split("/")[0] for name in record.metrics} == set(STEPS) - {"ingest", "vote", "verdict"}
    assert run.data.params["policy.steps"] == "4"
    found = {name: run.data.tags[name] for name in ("round", "round_key", "verdict", "version")}
    assert found == {"round": "1", "round_key": record.key, "verdict": "promote", "version": "2"}


def test_the_record_and_the_run_say_what_each_step_used(finished: Workspace, store: MlflowClient) -> None:
    record = records.read(finished, 1)
    assert record.cost is not None
    assert list(record.cost.steps) == list(record.times)
    run = run_of(store, finished, 1)
    costs = {name: value for name, value in run.data.metrics.items() if name.startswith("cost/")}
    assert costs == {name: significant(value) for name, value in numbers(record.cost, record.metrics).items()}
    steps = record.cost.steps
    assert steps["sample"].sampled >= record.metrics["sample/tokens"] > 0
    assert {name for name, used in steps.items() if used.trained} == {"reward", "policy"}
    assert all(used.wall >= record.times[name].learning for name, used in steps.items())
    [card] = finished.root.glob(f"mlruns/{record.run_id}/artifacts/card/policy-card.md")
    assert f"Round 1 used {duration(record.cost.total.wall)}" in card.read_text(encoding="utf-8")


def test_the_run_keeps_what_is_needed_to_find_the_data_again(finished: Workspace, store: MlflowClient) -> None:
    run = run_of(store, finished, 1)
    reports = {
        "collect.json",
        "curate.json",
        "sft.json",
        "reward.json",
        "policy.json",
        "sample.json",
        "probes.json",
        "evaluate.json",
        "drift.json",
        "verdict.json",
    }
    assert artifacts(store, run, "round") == {"round.yaml", "opened.json", "dvc.lock", *reports}
    assert artifacts(store, run, "plots") == {"reward_against_kl.png", "lengths.png", "calibration.png"}
    recorded = yaml.safe_load((finished.root / "dvc.lock").read_text())["stages"]
    outputs = {out["path"]: out["md5"] for stage in recorded.values() for out in stage["outs"]}
    [before] = yaml.safe_load((finished.data / "previous.dvc").read_text())["outs"]
    outputs["data/previous"] = before["md5"]
    assert run.inputs is not None
    assert {given.dataset.name: given.dataset.digest for given in run.inputs.dataset_inputs} == outputs


def test_what_the_gates_of_the_data_need_is_measured(finished: Workspace) -> None:
    numbers, terms = records.metrics(finished, 1), read_json(finished.report("curate"))["terms"]
    assert (numbers["curate/leaked"], numbers["curate/quarantine_share"]) == (0, 0)
    learned = numbers["curate/train"] + numbers["curate/judge"] + numbers["curate/demonstrations"]
    assert terms["licences"].keys() == {"CC0-1.0"}
    assert terms["consents"] == {"simulated": terms["licences"]["CC0-1.0"]}
    assert learned <= terms["licences"]["CC0-1.0"] < numbers["curate/events"]  # what is held out was not learned from


def test_the_cost_of_a_round_is_what_its_models_wrote(finished: Workspace) -> None:
    numbers = records.metrics(finished, 1)
    samples = rows(finished.samples / "samples.arrow")
    written = sum(row["candidate_tokens"] + row["champion_tokens"] for row in samples)
    assert numbers["sample/tokens"] == written
    assert numbers["collect/answers"] == 480
    assert 480 <= numbers["collect/tokens"] <= 480 * 32
    assert 64 <= numbers["policy/answer/sampled"] <= 64 * 32


def test_every_move_of_the_alias_is_in_the_audit_log(finished: Workspace) -> None:
    lines = audit.read(finished.audit)
    moves: list[Any] = [(line.event, line.facts["left"], line.facts["now"]) for line in lines if "now" in line.facts]
    assert moves == [("bootstrap", "", "1"), ("promote", "1", "2")]
    logged = {
        (line.facts["model"], line.facts["version"], line.facts["digest"]) for line in lines if "key" in line.facts
    }
    recorded = [version for number in (0, 1) for version in records.read(finished, number).registered]
    assert logged == {(version.model, version.version, version.digest) for version in recorded}
    assert sorted((version.model, version.version) for version in recorded) == [
        ("policy", "1"),
        ("policy", "2"),
        ("reward", "1"),
    ]
    assert audit.verify(finished.audit) == []
