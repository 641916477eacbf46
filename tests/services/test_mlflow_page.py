"""The rounds in MLflow's pages, as a browser shows them."""

import re
from pathlib import Path

import pytest

from core.shown import significant
from tasks.state import records
from tasks.state.line import POLICY
from tasks.tools import rounds_view
from tasks.tools.tracking import client
from tests.digits import LONG
from tests.services.programs import BIN, browsed, eventually, free_port, in_a_browser, running, surroundings
from tests.services.site import Site, answers

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]


def _cells(site: Site) -> list[str]:
    """What the view shows of round 1 in the columns of the KL divergence and the win rate."""
    metrics = records.metrics(site.workspace, 1)
    return [f">{significant(metrics[name])}<" for name in ("evaluate/kl_mean", "evaluate/win_rate")]


def _words(page: str) -> str:
    """The text between the tags of a page; scripts and styles left out."""
    return re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", page))


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
    for text in ("round 0", "round 1", "verdict", "promote", "evaluate/kl_mean", *_cells(settled)):
        assert text in page
    assert LONG.findall(_words(page)) == []
    assert records.read(settled.workspace, 1).run_id in page
