"""The rounds in MLflow's pages, as a browser shows them."""

from pathlib import Path

import pytest

from tasks.state import records
from tasks.state.line import POLICY
from tasks.tools import rounds_view
from tasks.tools.tracking import client
from tests.services.programs import BIN, browsed, eventually, free_port, in_a_browser, running, surroundings
from tests.services.site import Site, answers

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]


@in_a_browser
def test_the_page_of_runs_shows_each_round_with_its_verdict(settled: Site, tmp_path: Path) -> None:
    root, port = settled.workspace.root, free_port()
    server = f"http://127.0.0.1:{port}"
    command = [str(BIN / "mlflow"), "server", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{root}/mlflow.db", "--artifacts-destination", f"{root}/mlruns"]
    env = surroundings(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", MLFLOW_DISABLE_TELEMETRY="true")
    experiment = client(root).get_experiment_by_name(POLICY.rounds)
    assert experiment is not None
    with running("mlflow", [*command, *store], env, settled.logs):
        eventually(lambda: answers(f"{server}/health"), "the MLflow server", settled.logs)
        page = browsed(rounds_view.page(server, experiment.experiment_id), tmp_path / "profile")
    for text in ("round 0", "round 1", "verdict", "promote", "evaluate/kl_mean"):
        assert text in page
    assert records.read(settled.workspace, 1).run_id in page
