"""`rounds up` with the real servers: everything answers, nothing is left of it, and its state is kept."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tasks.services import postgresql
from tasks.services.chosen import Ports
from tasks.state import identity
from tasks.state.choosing import at
from tasks.state.workspace import PROJECT, Workspace
from tests.cures import cures, words
from tests.services import postgres
from tests.services.programs import BIN, eventually, free_port, run_command, surroundings
from tests.services.site import asked

pytestmark = [pytest.mark.services, pytest.mark.timeout(1800)]

DEPLOYMENTS = ["approve", "drift-watch", "rollback", "round-nightly", "round-on-feedback"]
AUTOMATIONS = ["crash-silent-runs", "drift-watch__automation_1", "round-on-feedback__automation_1"]
"""That of automations.yaml, and the trigger of a deployment."""

READY, EARLIER = 600.0, "before the restart"


@dataclass(frozen=True)
class Command:
    """`rounds up` for one workspace, on ports that are free."""

    workspace: Workspace
    env: dict[str, str]
    ports: Ports = field(default_factory=lambda: Ports(free_port(), free_port(), free_port()))

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.workspace.root.parent / "up.log"

    @contextmanager
    def running(self, *options: str, until: str = "Everything answers.") -> Iterator["subprocess.Popen[bytes]"]:
        """The process, as soon as it has printed a text; killed at the end, if it still runs."""
        ports = [f"--{name}-port={getattr(self.ports, name)}" for name in ("prefect", "mlflow", "serving")]
        command = [str(BIN / "python"), "-m", "cli", "up", "-w", str(self.workspace.root), *ports, *options]
        with (
            self.log.open("w") as log,
            subprocess.Popen(command, cwd=PROJECT, env=self.env, stdout=log, stderr=log) as process,
        ):
            try:
                eventually(lambda: self._printed(process, until), until, self.workspace.services_logs, READY)
                yield process
            finally:
                process.kill()

    def _printed(self, process: "subprocess.Popen[bytes]", text: str) -> bool | None:
        said = self.log.read_text()
        assert process.poll() is None, said
        return text in said or None

    def typed(self, *typed: str) -> str:
        """`rounds …` in another terminal, which has to work."""
        done = run_command([str(BIN / "python"), "-m", "cli", *typed, "-w", str(self.workspace.root)], self.env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """POST to the API of Prefect."""
        return asked(f"{self.ports.api}/{path}", body)

    def names(self, what: str) -> list[str]:
        """The names of the deployments or automations of the server."""
        return sorted(entry["name"] for entry in self.ask(f"{what}/filter"))

    def experiments(self) -> list[str]:
        """The names of the experiments of the MLflow server."""
        body = {"max_results": 100}
        found = httpx.post(f"{self._mlflow}/experiments/search", json=body, timeout=60).json()
        return [entry["name"] for entry in found["experiments"]]

    def create_experiment(self) -> None:
        """Something that is to be there after a restart."""
        httpx.post(f"{self._mlflow}/experiments/create", json={"name": EARLIER}, timeout=60).raise_for_status()

    @property
    def _mlflow(self) -> str:
        return f"http://127.0.0.1:{self.ports.mlflow}/api/2.0/mlflow"


def family(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """All its descendants."""
    return psutil.Process(process.pid).children(recursive=True)


def check_that_everything_works(up: Command) -> None:
    """Each link answers, the worker polls, and everything was sent to the server once."""
    said = up.log.read_text()
    for port in (up.ports.prefect, up.ports.mlflow, up.ports.serving):
        assert f"http://127.0.0.1:{port}\n" in said
    for port in (up.ports.prefect, up.ports.mlflow):
        assert httpx.get(f"http://127.0.0.1:{port}", timeout=60, follow_redirects=True).is_success
    live = httpx.get(f"http://127.0.0.1:{up.ports.serving}/health/live", timeout=60)
    ready = httpx.get(f"http://127.0.0.1:{up.ports.serving}/health/ready", timeout=60)
    assert (live.status_code, ready.status_code) == (200, 503)  # there is no champion yet
    [worker] = up.ask("work_pools/rounds/workers/filter")
    assert worker["status"] == "ONLINE"
    assert (up.names("deployments"), up.names("automations")) == (DEPLOYMENTS, AUTOMATIONS)


def check_that_the_worker_runs_flows(up: Command) -> None:
    """A run counts the feedback that waits, which asks the feedback database and, with PostgreSQL, MLflow."""
    [deployment] = up.ask("deployments/filter", {"deployments": {"name": {"any_": ["round-on-feedback"]}}})
    started = up.ask(f"deployments/{deployment['id']}/create_flow_run")["id"]

    def ended() -> dict[str, Any] | None:
        run: dict[str, Any] = httpx.get(f"{up.ports.api}/flow_runs/{started}", timeout=60).json()
        return run if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None

    run = eventually(ended, "the end of a run", up.workspace.services_logs, READY)
    expected = ("COMPLETED", "nothing to do: 0 of 200 usable records wait")
    assert (run["state_type"], run["name"]) == expected, run["state"]


def schedule(up: Command) -> dict[str, Any]:
    """The schedule of the nightly round."""
    [nightly] = up.ask("deployments/filter", {"deployments": {"name": {"any_": ["round-nightly"]}}})
    [only] = nightly["schedules"]
    return {"deployment": nightly["id"], **only}


def scheduled(up: Command) -> bool | None:
    """Whether the scheduler has made runs of the nightly round, which fails on SQLAlchemy 2.1 without a correction."""
    runs = up.ask("flow_runs/filter", {"deployments": {"name": {"any_": ["round-nightly"]}}})
    return any(run["state_type"] == "SCHEDULED" for run in runs) or None


def paused_now(address: str) -> bool | None:
    """Pause a schedule; None while the server says that its database is busy, which it does with 503."""
    answer = httpx.patch(address, json={"active": False}, timeout=60)
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return None
    answer.raise_for_status()
    return True


@pytest.fixture
def up(tmp_path: Path) -> Command:
    return Command(at(tmp_path / "help-desk"), surroundings())


@cures("cli.up._print_help: rounds down", "cli.up._print_exports: rounds up")
def test_everything_is_up_once_and_leaves_nothing_behind(up: Command) -> None:
    refused = run_command([str(BIN / "python"), "-m", "cli", "up", "--exports", "-w", str(up.workspace.root)], up.env)
    assert words(refused.stderr, "rounds up") == ["rounds", "up", "-w", str(up.workspace.root)]
    with up.running() as process:
        check_that_everything_works(up)
        eventually(lambda: scheduled(up), "a scheduled run", up.workspace.services_logs)
        check_that_the_worker_runs_flows(up)
        assert f"Process {process.pid} runs the services of {up.workspace.root} already." in up.typed("up")
        assert up.typed("up", "--exports").splitlines() == [
            f"export ROUNDS_WORKSPACE={up.workspace.root}",
            f"export PREFECT_API_URL={up.ports.api}",
        ]
        nightly = schedule(up)
        paused = f"{up.ports.api}/deployments/{nightly['deployment']}/schedules/{nightly['id']}"
        eventually(lambda: paused_now(paused), "a paused schedule", up.workspace.services_logs)
        up.create_experiment()
        processes = family(process)
        assert len(processes) >= 6  # three services and their keepers
        os.kill(process.pid, signal.SIGKILL)
        assert psutil.wait_procs(processes, timeout=120)[1] == []
    with up.running() as process:
        check_that_everything_works(up)
        assert schedule(up)["active"] is False
        assert EARLIER in up.experiments()
        processes = family(process)
        command = words(up.log.read_text(), "rounds down")
        assert up.typed(*command[1:-2]) == "All services have ended.\n"
        assert process.wait(60) == 0
        assert [each for each in processes if each.is_running()] == []
    assert "All services have ended." in up.log.read_text()


def test_a_feedback_database_that_cannot_be_used_is_named_with_its_cure(up: Command) -> None:
    up.workspace.feedback_database.write_bytes(b"no database " * 100)
    with up.running("--only", "serving", until="Not everything can be used.") as process:
        said = " ".join(up.log.read_text().split())
        assert "The serving app runs and cannot be used: the feedback database /" in said
        assert "file is not a database; restore the file from a backup" in said
        assert "Everything answers" not in said
        assert "file is not a database; restore the file from a backup" in up.typed("up")
        up.workspace.feedback_database.unlink()
        eventually(lambda: "Everything answers" in up.typed("up") or None, "it is mended", up.workspace.services_logs)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0


with_postgresql = pytest.mark.skipif(postgres.programs() is None, reason="no PostgreSQL: apt-get install postgresql")


@cures("tasks.tools.postgresql.create: createdb --owner USER …")
@with_postgresql
def test_databases_are_made_once_or_by_an_administrator() -> None:
    import psycopg

    from tasks.tools.postgresql import NoServer, create, revision

    with postgres.serving() as server:
        assert (create(server, "rounds_a"), create(server, "rounds_a")) == (True, False)
        with psycopg.connect(server, autocommit=True) as administrator:
            administrator.execute("CREATE ROLE ana LOGIN")
        poor = server.replace("rounds@", "ana@")
        with pytest.raises(NoServer, match="the database rounds_b is missing") as caught:
            create(poor, "rounds_b")
        folder, port = server.partition("host=")[2].split("&port=")
        command = words(str(caught.value), "createdb", USER="ana")
        programs = postgres.programs()
        assert programs is not None
        env = surroundings(PGHOST=folder, PGPORT=port, PGUSER="rounds")
        subprocess.run([str(programs / command[0]), *command[1:]], env=env, check=True)
        assert not create(poor, "rounds_b")
        mine = poor.replace("/postgres?", "/rounds_b?")
        assert revision(mine) is None
        with psycopg.connect(mine, autocommit=True) as connection:
            connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
            connection.execute("INSERT INTO alembic_version VALUES ('a1')")
        assert revision(mine) == "a1"
    with pytest.raises(NoServer, match="start it, or correct the address"):
        create(server, "rounds_a")


@with_postgresql
def test_one_variable_puts_everything_on_postgresql(tmp_path: Path) -> None:
    with postgres.serving() as server:
        workspace = at(tmp_path / "help-desk")
        up = Command(workspace, surroundings(**{postgresql.ADDRESS: server}))
        with up.running() as process:
            check_that_everything_works(up)
            eventually(lambda: scheduled(up), "a scheduled run", up.workspace.services_logs)
            check_that_the_worker_runs_flows(up)
            name = f"rounds_{identity.made(workspace).id[:8]}"
            for kind in ("prefect", "mlflow", "feedback"):
                assert f"Created the database {name}_{kind}." in up.log.read_text()
            lines = up.typed("up", "--exports").splitlines()
            exported = dict(line.removeprefix("export ").split("=", 1) for line in lines)
            assert exported["MLFLOW_TRACKING_URI"] == f"http://127.0.0.1:{up.ports.mlflow}"
            assert f"/{name}_feedback?" in exported["ROUNDS_FEEDBACK_DATABASE"]
            up.create_experiment()
            process.terminate()
            assert process.wait(120) == 0
        assert not workspace.prefect_database.exists()
        assert not workspace.database.exists()
        with up.running():
            check_that_everything_works(up)
            assert EARLIER in up.experiments()
            assert "Created" not in up.log.read_text()
