"""Servers that serve one workspace, as docs/operations.md sets them up: Prefect with a worker, and MLflow."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess, Popen
from typing import Any

import httpx
import yaml

from core.settings import override, read
from tasks.state.choosing import at
from tasks.state.identity import EMBEDDED_SALT
from tasks.state.workspace import Workspace
from tests.profile import PROMOTE, TINY
from tests.services.programs import BIN, eventually, free_port, run_command, running, surroundings

THRESHOLD = 80
"""Records that start a round: 15 % of them are enough to be held out."""

ENDS = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

Run = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """What a test needs of it: the workspace, the server's API, and the two command lines."""

    workspace: Workspace
    url: str
    env: Mapping[str, str]
    logs: Path

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """POST to the server's API."""
        return asked(f"{self.url}/{path}", body)

    def prefect(self, *words: str) -> str:
        """`prefect WORDS`, which has to work."""
        done = run_command([str(BIN / "prefect"), *words], self.env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def flows(self, *words: str) -> CompletedProcess[str]:
        """`rounds WORDS`."""
        return run_command([str(BIN / "python"), "-m", "cli", *words], self.env)

    def start(self, deployment: str, **parameters: Any) -> str:
        """Start a deployment, as the schedule does; the id of its run."""
        [match] = self.ask("deployments/filter", {"deployments": {"name": {"any_": [deployment]}}})
        run = self.ask(f"deployments/{match['id']}/create_flow_run", {"parameters": parameters})
        return str(run["id"])

    def run(self, run_id: str) -> Run:
        """A run as the server knows it now."""
        run: Run = httpx.get(f"{self.url}/flow_runs/{run_id}", timeout=30).json()
        return run

    def ended(self, run_id: str, within: float = 180) -> Run:
        """The run, as soon as it has ended."""

        def look() -> Run | None:
            run = self.run(run_id)
            return run if run["state_type"] in ENDS else None

        return eventually(look, f"the end of run {run_id}", self.logs, within)

    def reached(self, run_id: str, state: str, name: str | None = None) -> None:
        """Return as soon as the run is in that state, and has that name."""

        def look() -> bool | None:
            run = self.run(run_id)
            return (run["state_type"] == state and name in (None, run["name"])) or None

        eventually(look, f"run {run_id} {state} {name or ''}", self.logs, every=0.1)

    def triggered(self) -> list[Run]:
        """The runs that events have started."""
        return [run for run in self.ask("flow_runs/filter") if (run["created_by"] or {}).get("type") == "AUTOMATION"]


def asked(url: str, body: Mapping[str, Any] | None = None) -> Any:
    """POST to Prefect's API; like every client of Prefect's, again where its SQLite was busy (503)."""
    for _ in range(5):
        answer = httpx.post(url, json=body or {}, timeout=60)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        time.sleep(2)
    assert answer.is_success, f"{url}: {answer.status_code} {answer.text}"
    return answer.json()


@contextmanager
def serving(root: Path) -> Iterator[Site]:
    """Server, work pool, deployments, automations and worker, by the commands of docs/operations.md."""
    logs, port = root / "logs", free_port()
    logs.mkdir(parents=True)
    workspace = furnished(root / "workspace")
    env = surroundings(
        PREFECT_HOME=str(root / "prefect"),
        PREFECT_API_URL=f"http://127.0.0.1:{port}/api",
        PREFECT_WORKER_QUERY_SECONDS="2",
        ROUNDS_WORKSPACE=str(workspace.root),
    )
    site = Site(workspace, env["PREFECT_API_URL"], env, logs)
    prefect = str(BIN / "prefect")
    # as `rounds up` starts it: without the correction, it makes no scheduled run on SQLAlchemy 2.1
    server = [str(BIN / "python"), "-m", "flows.orchestration.prefect_server", "server", "start", "--port", str(port)]
    with running("server", server, env, logs):
        eventually(lambda: answers(f"{site.url}/health"), "the Prefect server", logs)
        site.prefect("work-pool", "create", "rounds", "--type", "process")
        site.prefect("--no-prompt", "deploy", "--all")
        site.prefect("automation", "create", "--from-file", "automations.yaml")
        # a quarter of an hour may begin while the tests run
        site.prefect("deployment", "schedule", "pause", "--all")
        with running("worker", [prefect, "worker", "start", "--pool", "rounds"], env, logs):
            yield site


def feedback(path: Path, about: str) -> Path:
    """A file with as many preferences as start a round."""
    records = (
        {"prompt": f"{about} {number}?", "chosen": f"Please send {number} back.", "rejected": "No."}
        for number in range(THRESHOLD)
    )
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def furnished(root: Path) -> Workspace:
    """A workspace whose rounds are small and always end in a promotion, even after a rollback."""
    workspace = at(root, salt=EMBEDDED_SALT)
    values = override(read(workspace.params), [*TINY, PROMOTE, f"ingest.threshold={THRESHOLD}", "promotion.cooldown=0"])
    workspace.params.write_text(yaml.safe_dump(values))
    return workspace


def answers(url: str) -> bool | None:
    """True where a server is up, None where not yet."""
    try:
        return httpx.get(url, timeout=2).is_success or None
    except httpx.HTTPError:
        return None


@contextmanager
def mlflow(
    workspace: Workspace, port: int, logs: Path, artifacts: str | None = None, **settings: str
) -> Iterator["Popen[bytes]"]:
    """An MLflow server that keeps everything in the workspace, where the test can read it.

    Args:
        workspace: has its database.
        port: where it listens.
        logs: the folder of its log.
        artifacts: URL of the artifacts if they are not in the workspace.
        settings: more variables of its environment.
    """
    address = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    options = [
        "--backend-store-uri",
        f"sqlite:///{workspace.root}/mlflow.db",
        "--artifacts-destination",
        artifacts or f"{workspace.root}/mlruns",
    ]
    env = surroundings(**settings, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", MLFLOW_DISABLE_TELEMETRY="true")
    with running("mlflow", [str(BIN / "mlflow"), "server", *address, *options], env, logs) as server:
        eventually(lambda: answers(f"http://127.0.0.1:{port}/health"), "the MLflow server", logs)
        yield server
