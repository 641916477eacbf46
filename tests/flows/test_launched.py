"""Rounds whose training steps run in two processes each."""

from pathlib import Path

import pytest

from core.files import read_json
from flows.round import rlhf_round
from tasks.history.replay import replay
from tasks.registry.alias import Registry
from tasks.state import records
from tasks.state.workspace import Workspace
from tests.profile import PROMOTE, TINY
from tests.workspaces import Furnish

pytestmark = pytest.mark.rounds

TWO = [f"{step}.launch.processes=2" for step in ("sft", "reward", "policy")]


@pytest.fixture(scope="module")
def launched(furnish: Furnish, prefect: None, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Rounds 0 and 1. To be read."""
    workspace = furnish(tmp_path_factory.mktemp("launched") / "workspace")
    rlhf_round([*TINY, PROMOTE, *TWO], str(workspace.root))
    return workspace


def test_its_candidate_is_promoted_and_its_steps_ran_in_two_processes(launched: Workspace) -> None:
    record, registry = records.read(launched, 1), Registry(launched.root)
    assert (record.verdict.result, registry.alias()) == ("promote", "2")
    for step in ("reward", "policy"):
        logs = list(launched.ranks(step).glob("*/attempt_0/*/stderr.log"))
        assert sorted(log.parent.name for log in logs) == ["0", "1"]


def test_its_metrics_and_what_it_used_are_those_of_the_processes(launched: Workspace) -> None:
    record = records.read(launched, 1)
    store = Registry(launched.root).store
    experiment = store.get_run(record.run_id).info.experiment_id
    mine = f"tags.`mlflow.parentRunId` = '{record.run_id}'"
    [run] = [run for run in store.search_runs([experiment], mine) if run.info.run_name == "policy"]
    points = store.get_metric_history(run.info.run_id, "policy/objective/score")
    assert [point.step for point in points] == [0, 1, 2, 3]
    report = read_json(launched.report("policy"))["metrics"]
    assert run.data.metrics["policy/objective/score"] == pytest.approx(report["objective/score"])
    assert 0 < record.times["policy"].learning <= record.times["policy"].wall
    assert record.cost is not None
    used = record.cost.steps["policy"]
    assert used.sampled > 4 * 16  # an answer has more than one token
    assert used.trained > used.sampled
    assert used.cpu > 0


def test_replayed_it_has_the_same_weights(launched: Workspace, tmp_path: Path) -> None:
    result = replay(launched, "1", tmp_path / "replayed", None, judge=False)
    assert {"policy/2", "reward/1"} <= {output.what for output in result.compared}
    assert result.differing == []
