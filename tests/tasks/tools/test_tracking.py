import json
import logging
import shlex
import shutil
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from core.errors import NotInstalled
from tasks.registry.alias import Registry
from tasks.state.line import POLICY
from tasks.state.workspace import Workspace
from tasks.tools import tracking
from tasks.tools.tracking import NoTracking, RoundRun, step_run
from tests.full_disk import full_disk

# SQLAlchemy 2.1 warns of how MLflow maps its tables
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def opened(home: Path, number: int = 3, key: str = "abc") -> RoundRun:
    return RoundRun.open(home, POLICY, f"round {number}", {"round": str(number), "round_key": key})


def lines(home: Path, step: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / f"data/metrics/{step}.jsonl").read_text().splitlines()]


class Unreliable(MlflowClient):
    """A client whose server is down while `down` is set."""

    down = False

    def log_batch(self, *args: Any, **kwargs: Any) -> Any:
        if self.down:
            raise MlflowException("connection refused")
        return super().log_batch(*args, **kwargs)


def unreliable(run: RoundRun) -> tuple[RoundRun, Unreliable]:
    store = Unreliable(tracking_uri=tracking.uri(run.root))
    return replace(run, store=store), store


def test_runs_are_kept_in_the_workspace_unless_the_environment_names_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking.uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    assert tracking.uri(tmp_path) == "http://mlflow:5000"


@pytest.mark.parametrize("name", ["a ?b%20#c", "ünï", "%(x)s", "$HOME `x`;", "'\"\\ new\nline"])
def test_runs_and_versions_stay_in_a_workspace_of_any_name(
    empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root, weights = tmp_path / "workspaces" / name, tmp_path / "weights"
    root.mkdir(parents=True)
    weights.mkdir()
    (weights / "model.safetensors").write_text("numbers")
    shutil.copyfile(empty_store, root / "mlflow.db")
    run = opened(root)
    run.text("number: 3", "round/round.yaml")
    assert (tracking.download(run.store, run.run_id, "round", str(tmp_path)) / "round.yaml").read_text() == "number: 3"
    registry = Registry(root)
    version = registry.register("policy", weights, run.run_id, {"round": "3", "round_key": "abc"}, {})
    registry.fetch(version, root / "data" / "champion")
    assert (root / "data" / "champion" / "model.safetensors").read_text() == "numbers"
    assert [path.name for path in (tmp_path / "workspaces").iterdir()] == [name]
    assert shlex.split(run.page) == ["mlflow", "ui", "--backend-store-uri", tracking.uri(root)]


def test_nested_values_become_dotted_names_and_short_texts() -> None:
    values = {"policy": {"kl": {"target": 6.0}, "use": "ppo"}, "tags": ["a", None], "on": True, "long": "x" * 600}
    texts = tracking.texts(values)
    assert texts.pop("long") == "x" * 499 + "…"
    assert texts == {"policy.kl.target": "6.0", "policy.use": "ppo", "tags": '["a", null]', "on": "true"}
    assert tracking.texts(texts) == texts


def test_a_round_opened_again_by_its_key_is_the_same_run(home: Path) -> None:
    first = opened(home)
    first.finish("FAILED")
    again = RoundRun.open(home, POLICY, "round 3", {"round": "3", "round_key": "abc", "git_commit": "f00"})
    other = opened(home, 4, "def")
    assert first.run_id == again.run_id != other.run_id
    run = again.store.get_run(again.run_id)
    assert run.info.status == "RUNNING"
    assert run.info.run_name == "round 3"
    assert run.data.tags["git_commit"] == "f00"
    again.finish()
    assert again.store.get_run(again.run_id).info.status == "FINISHED"


def test_nothing_is_written_outside_the_workspace(home: Path) -> None:
    opened(home).finish()
    assert list(Path.cwd().iterdir()) == []


def test_an_experiment_created_concurrently_is_used(home: Path) -> None:
    class Late(MlflowClient):
        """A client whose first look-up comes before the other process creates the experiment."""

        looked = False

        def get_experiment_by_name(self, name: str) -> Any:
            experiment = super().get_experiment_by_name(name) if self.looked else None
            self.looked = True
            return experiment

    theirs = opened(home).experiment
    assert tracking.experiment(Late(tracking_uri=tracking.uri(home)), "rounds", home) == theirs


def test_final_numbers_of_rounds_make_one_line_over_rounds(home: Path) -> None:
    run = opened(home)
    run.metrics({"reward/accuracy": 0.75, "evaluate/win_rate": 0.65966796875, "curate/train": 12345})
    run.metrics({"reward/accuracy": 0.8}, step=7)
    run.tags({"verdict": "promote"})
    [first, second] = run.store.get_metric_history(run.run_id, "reward/accuracy")
    assert (first.step, first.value, second.step, second.value) == (3, 0.75, 7, 0.8)
    data = run.store.get_run(run.run_id).data
    assert (data.metrics["evaluate/win_rate"], data.metrics["curate/train"]) == (0.66, 12345)
    assert data.tags["verdict"] == "promote"


def test_more_params_than_one_request_takes_are_logged(home: Path) -> None:
    run = opened(home)
    run.params({"section": {f"knob{number}": number for number in range(230)}})
    params = run.store.get_run(run.run_id).data.params
    assert len(params) == 230
    assert params["section.knob229"] == "229"


def test_files_figures_and_data_are_kept_with_the_run(home: Path, tmp_path: Path) -> None:
    run = opened(home)
    (tmp_path / "round.yaml").write_text("number: 3\n")
    run.artifact(tmp_path / "round.yaml", "round")
    run.figure(Figure(), "calibration")
    digest = "0123456789abcdef0123456789abcdef.dir"
    run.dataset("data/preferences", digest, "curate")
    assert (home / "mlruns" / run.run_id / "artifacts/round/round.yaml").read_text() == "number: 3\n"
    assert [file.path for file in run.store.list_artifacts(run.run_id, "plots")] == ["plots/calibration.png"]
    [with_data] = run.store.search_runs([run.experiment], f"dataset.digest = '{digest}'")
    assert with_data.info.run_id == run.run_id
    assert with_data.inputs is not None
    [data] = with_data.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.source_type) == ("data/preferences", "dvc")
    assert json.loads(data.dataset.source) == {"path": "data/preferences", "md5": digest}


def test_steps_are_children_of_their_round_and_opened_once(home: Path) -> None:
    run = opened(home)
    reward, again, policy = run.step("reward"), run.step("reward"), run.step("policy")
    assert reward.run_id == again.run_id != policy.run_id
    tags = run.store.get_run(reward.run_id).data.tags
    assert (tags["mlflow.parentRunId"], tags["step"], tags["round"]) == (run.run_id, "reward", "3")
    reward.tags({"work_pool": "gpu", "machine": "gpu-1"})
    assert run.store.get_run(reward.run_id).data.tags.items() >= {"work_pool": "gpu", "machine": "gpu-1"}.items()
    reward.close("FAILED")
    assert run.store.get_run(reward.run_id).info.status == "FAILED"


def test_metrics_of_a_step_are_on_disk_at_once_and_in_mlflow_in_batches(home: Path) -> None:
    run = opened(home)
    step = run.step("reward")
    for at in range(3):
        step({"loss": 1.0 / (at + 1), "accuracy": 0.5}, at, 3)
    assert [line["reward/loss"] for line in lines(home, "reward")] == [1.0, 0.5, 1 / 3]
    assert [(line["step"], line["total"]) for line in lines(home, "reward")] == [(0, 3), (1, 3), (2, 3)]
    assert run.store.get_metric_history(step.run_id, "reward/loss") == []
    step.close()
    history = run.store.get_metric_history(step.run_id, "reward/loss")
    assert [(point.step, point.value) for point in history] == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert run.store.get_run(step.run_id).info.status == "FINISHED"


def test_a_batch_goes_out_when_it_is_due(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_run, "SEND_EVERY", 0.0)
    run = opened(home)
    step = run.step("reward")
    step({"loss": 1.0}, 0)
    assert len(run.store.get_metric_history(step.run_id, "reward/loss")) == 1


def test_more_metrics_than_one_request_takes_are_sent(home: Path) -> None:
    run = opened(home)
    step = run.step("policy")
    for at in range(350):
        step({"kl": 0.1, "score": 1.0, "entropy": 2.0}, at)
    step.close()
    assert len(run.store.get_metric_history(step.run_id, "policy/entropy")) == 350


def test_a_non_finite_value_is_null_on_disk_and_nan_in_mlflow(home: Path) -> None:
    run = opened(home)
    step = run.step("policy")
    step({"loss": float("nan"), "kl": float("inf")}, 0)
    step.close()
    assert lines(home, "policy")[0].items() >= {"policy/loss": None, "policy/kl": None}.items()
    [point] = run.store.get_metric_history(step.run_id, "policy/loss")
    assert point.value != point.value


def test_an_unreachable_server_gives_one_warning_and_loses_no_metric(
    home: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_run, "SEND_EVERY", 0.0)
    monkeypatch.setattr(step_run, "RETRY_AFTER", 0.0)
    run, store = unreliable(opened(home))
    step = run.step("policy")
    store.down = True
    with caplog.at_level(logging.WARNING):
        for at in range(3):
            step({"kl": float(at)}, at)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(home / "data/metrics/policy.jsonl") in caplog.text
    assert len(lines(home, "policy")) == 3
    store.down = False
    step.close()
    assert [point.value for point in store.get_metric_history(step.run_id, "policy/kl")] == [0.0, 1.0, 2.0]


def test_sending_is_not_retried_at_once_after_an_outage(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_run, "SEND_EVERY", 0.0)
    run, store = unreliable(opened(home))
    step = run.step("policy")
    store.down = True
    step({"kl": 0.0}, 0)
    store.down = False
    step({"kl": 1.0}, 1)
    assert store.get_metric_history(step.run_id, "policy/kl") == []


def test_unsent_metrics_are_sent_once_when_the_round_closes(home: Path) -> None:
    run, store = unreliable(opened(home))
    step = run.step("policy")
    store.down = True
    for at in range(3):
        step({"kl": float(at)}, at)
    step.close()
    assert store.get_run(step.run_id).info.status == "RUNNING"
    with pytest.raises(MlflowException):
        run.deliver("policy")
    store.down = False
    for _ in range(2):
        run.deliver("policy")
        assert [point.value for point in store.get_metric_history(step.run_id, "policy/kl")] == [0.0, 1.0, 2.0]
    assert store.get_run(step.run_id).info.status == "FINISHED"


def test_metrics_sent_right_before_a_kill_are_sent_again_and_stored_once(home: Path) -> None:
    run = opened(home)
    step = run.step("policy")
    step({"kl": 0.5, "loss": float("nan")}, 0)
    step.close("FAILED")
    (home / "data/metrics/policy.sent").unlink()  # the kill came before this was written
    again = run.step("policy")
    again({"kl": 0.5, "loss": float("nan")}, 0)  # the step is run again
    again({"kl": 0.7}, 1)
    again.close()
    assert [point.value for point in run.store.get_metric_history(again.run_id, "policy/kl")] == [0.5, 0.7]
    assert len(run.store.get_metric_history(again.run_id, "policy/loss")) == 1


def test_final_numbers_logged_again_are_the_same_points(home: Path) -> None:
    for _ in range(2):
        run = opened(home)
        run.metrics({"reward/accuracy": 0.75})
    assert len(run.store.get_metric_history(run.run_id, "reward/accuracy")) == 1


def test_a_step_whose_run_cannot_be_created_still_runs(home: Path) -> None:
    class Down(MlflowClient):
        def search_runs(self, *args: Any, **kwargs: Any) -> Any:
            raise MlflowException("connection refused")

    run = opened(home)
    step = replace(run, store=Down(tracking_uri=tracking.uri(home))).step("sft")
    step({"loss": 1.0}, 0)
    step.close()
    assert lines(home, "sft")[0]["sft/loss"] == 1.0


def test_an_address_where_nothing_answers_is_an_error_with_a_cure(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(NoTracking, match="MLFLOW_TRACKING_URI"):
        opened(home)


def test_the_page_is_an_address_on_a_server_and_a_command_without_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened(home)
    assert run.page == f"mlflow ui --backend-store-uri 'sqlite:///{home}/mlflow.db'"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000/")
    assert run.page == f"http://mlflow:5000/#/experiments/{run.experiment}/runs/{run.run_id}"


def test_the_page_of_a_local_database_is_on_the_server_that_shows_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = opened(home)
    assert run.url is None
    monkeypatch.setenv("ROUNDS_MLFLOW_PAGES", "http://127.0.0.1:5000")
    assert run.page == f"http://127.0.0.1:5000/#/experiments/{run.experiment}/runs/{run.run_id}"


def test_a_run_names_the_prefect_run_that_worked_on_it_last(home: Path) -> None:
    run = opened(home)
    run.link_prefect("http://prefect/runs/1")
    run.tags({tracking.NOTE: "# Card\n\nIts limits."})
    run.link_prefect("http://prefect/runs/2")
    run.link_prefect("http://prefect/runs/3")
    tags = run.store.get_run(run.run_id).data.tags
    assert tags["prefect_run"] == "http://prefect/runs/3"
    assert tags[tracking.NOTE] == "[Run in Prefect](http://prefect/runs/3)\n\n# Card\n\nIts limits."


def test_a_step_is_a_log(home: Path) -> None:
    from core.log import Log

    def train(log: Log) -> None:
        metrics: Mapping[str, float] = {"loss": 1.0}
        log(metrics, 0, 1)

    train(opened(home).step("sft"))
    assert lines(home, "sft")[0]["sft/loss"] == 1.0


def test_numbers_in_tables_have_three_digits(tmp_path: Path) -> None:
    run = opened(tmp_path)
    run.tables({"traps": [{"reward": 2 / 3, "tokens": 12345, "won": True, "prompt": "0.123456789"}]}, "probes")
    file = Path(run.store.download_artifacts(run.run_id, "probes/traps.json", str(tmp_path)))
    assert json.loads(file.read_text())["data"] == [[0.667, 12345, True, "0.123456789"]]


def test_tables_are_marked_as_tables_and_replaced_when_stored_again(tmp_path: Path) -> None:
    run = opened(tmp_path)
    table: list[dict[str, Any]] = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    for rows in (table[:1], table):
        run.tables({"traps": rows, "red_team": rows}, "probes")
    file = Path(run.store.download_artifacts(run.run_id, "probes/traps.json", str(tmp_path)))
    assert json.loads(file.read_text()) == {"columns": ["a", "b"], "data": [[1, "x"], [2, None]]}
    logged = run.store.get_run(run.run_id).data.tags["mlflow.loggedArtifacts"]
    assert json.loads(logged) == [{"path": f"probes/{name}.json", "type": "table"} for name in ("traps", "red_team")]


@pytest.mark.parametrize("scheme", ["http", "mysql"])
def test_a_dead_server_or_database_is_found_by_its_port(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{scheme}://me:secret@127.0.0.1:9/runs")
    with pytest.raises(NoTracking) as error:
        tracking.client(workspace.root)
    assert ("127.0.0.1, port 9" in str(error.value), "secret" in str(error.value)) == (True, False)


def test_a_missing_driver_is_named_before_the_server_is_looked_for(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@127.0.0.1:9/runs")
    with pytest.raises(NotInstalled, match="psycopg"):
        tracking.client(workspace.root)


def test_a_full_disk_is_named_with_the_database_and_without_what_was_to_be_stored(tmp_path: Path) -> None:
    run = opened(tmp_path)
    with full_disk(), pytest.raises(NoTracking) as error, tracking.answering(tmp_path):
        run.store.set_tag(run.run_id, "note", "Where is the parcel of Ana?")
    assert str(error.value) == (
        f"{tracking.uri(tmp_path)} cannot be written: disk I/O error (File too large); raise the limit of the size of "
        "a file (`ulimit -f`), then type the command again"
    )
    run.store.set_tag(run.run_id, "note", "there is room")


def test_an_error_of_the_database_does_not_quote_what_was_to_be_stored(tmp_path: Path) -> None:
    run = opened(tmp_path)
    with closing(sqlite3.connect(Workspace(tmp_path).database)) as database:
        database.execute("DROP TABLE tags")
    with pytest.raises(NoTracking) as error, tracking.answering(tmp_path):
        run.store.set_tag(run.run_id, "note", "Where is the parcel of Ana?")
    assert ("no such table" in str(error.value), "parcel" in str(error.value)) == (True, False)
