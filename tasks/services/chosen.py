"""The services of a workspace: Prefect server, MLflow server, worker and serving app, all on the loopback address."""

import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from core import urls
from core.errors import BadParams
from tasks.services.postgresql import Databases
from tasks.services.service import ReadinessProbe, Service, StateProbe
from tasks.state import feedback_database
from tasks.state.workspace import Workspace
from tasks.tools import tracking

HOST = "127.0.0.1"
APP = "serving app"
"""The title of the service that people outside use."""

POOL = "rounds"
"""The work pool of the deployments in prefect.yaml."""

NAMES = ("prefect", "mlflow", "worker", "serving")
"""All services, in the order in which they start."""

QUERY = "2"
"""Seconds between two questions of the worker for runs; by default 15, which a trigger would wait for."""

SERVER, DEPLOYING, SERVING = "flows.orchestration.prefect_server", "flows.orchestration.deploying", "serving"
"""Programs of packages above or beside this one: Prefect's server, what is sent to it, and the serving app."""

ANSWERS = 35.0
"""Seconds for the end of the serving app, which finishes the answers that it has begun."""

_BIN = Path(sys.executable).parent
_QUIET = {"DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONUNBUFFERED": "1"}

_FOREIGN = ("PREFECT_PROFILE", "MLFLOW_RUN_ID", "MLFLOW_BACKEND_STORE_URI", "MLFLOW_ARTIFACTS_DESTINATION")
"""Variables that would point a service elsewhere."""


@dataclass(frozen=True)
class Ports:
    """Where the services listen."""

    prefect: int = 4200
    mlflow: int = 5000
    serving: int = 8000

    @property
    def api(self) -> str:
        """The API of the Prefect server."""
        return f"http://{HOST}:{self.prefect}/api"


def services(
    workspace: Workspace, ports: Ports, databases: Databases | None, only: Collection[str] = ()
) -> list[Service]:
    """The services in the order in which they start.

    Args:
        workspace: the workspace that they serve.
        ports: where they listen.
        databases: databases on a PostgreSQL server; None for files in the workspace.
        only: names of those that are wanted; empty for all. An MLflow server that `MLFLOW_TRACKING_URI` names replaces
            the own one.

    Raises:
        BadParams: a variable of the environment names another server.
    """
    clients = {**exports(workspace, ports, databases), **feedback(databases)}
    environment = {**_inherited(), **_QUIET, **clients, "PREFECT_HOME": str(workspace.prefect_home)}
    if "prefect" in (only or NAMES):
        _check_prefect(ports)
    every = [_prefect(workspace, ports, databases, environment)]
    pages = {}
    if _own_mlflow(ports, databases):
        every.append(_mlflow(workspace, ports, databases, environment))
        pages = {tracking.PAGES: _mlflow_address(ports)}
    shown = {**pages, **environment}  # pages may have another address outside, behind a proxy
    every += [_worker(ports, shown), _serving(workspace, ports, databases, shown)]
    return [service for service in every if service.name in (only or NAMES)]


def exports(workspace: Workspace, ports: Ports, databases: Databases | None) -> dict[str, str]:
    """The environment of a command that uses the services, but for the feedback database, whose URL has a password."""
    here = {"ROUNDS_WORKSPACE": str(workspace.root), "PREFECT_API_URL": ports.api}
    return here | ({tracking.VARIABLE: _mlflow_address(ports)} if databases and _own_mlflow(ports, databases) else {})


def feedback(databases: Databases | None) -> dict[str, str]:
    """The address of the feedback database, if it is on a server."""
    return {feedback_database.ADDRESS: databases.feedback} if databases else {}


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _FOREIGN}


def _check_prefect(ports: Ports) -> None:
    named = os.environ.get("PREFECT_API_URL", "").rstrip("/")
    if named and not _is_here(named, ports.prefect):
        raise BadParams(
            f"PREFECT_API_URL is {named}, and the server that is to be started would be {ports.api}; unset "
            "PREFECT_API_URL, or choose the port with `--prefect-port PORT`"
        )


def _is_here(address: str, port: int) -> bool:
    """Whether an address is that of a service on this machine and this port."""
    try:
        parts = urlsplit(address)
        return (parts.scheme, parts.port) == ("http", port) and parts.hostname in (HOST, "localhost")
    except ValueError:  # the port is not a number
        return False


def _own_mlflow(ports: Ports, databases: Databases | None) -> bool:
    """Whether an MLflow server is to be started: unless the environment names another store."""
    named = os.environ.get(tracking.VARIABLE, "").rstrip("/")
    here = _is_here(named, ports.mlflow)
    if here and databases is None:
        raise BadParams(
            f"{tracking.VARIABLE} is {named}, the server that is to be started: it shows mlflow.db of the workspace, "
            f"which commands use without a server; unset {tracking.VARIABLE}"
        )
    return here or not named


def _mlflow_address(ports: Ports) -> str:
    return f"http://{HOST}:{ports.mlflow}"


def _prefect(
    workspace: Workspace, ports: Ports, databases: Databases | None, environment: Mapping[str, str]
) -> Service:
    own = f"sqlite+aiosqlite://{urls.sqlite(workspace.prefect_database).partition('://')[2]}"
    address = databases.prefect if databases else own
    return Service(
        name="prefect",
        title="Prefect server",
        command=(sys.executable, "-m", SERVER, "server", "start", "--host", HOST, "--port", str(ports.prefect)),
        env={**environment, "PREFECT_SERVER_DATABASE_CONNECTION_URL": address},
        ready=ReadinessProbe(f"{ports.api}/health"),
        port=ports.prefect,
        option="--prefect-port",
        then=(sys.executable, "-m", DEPLOYING),
    )


def _mlflow(workspace: Workspace, ports: Ports, databases: Databases | None, environment: Mapping[str, str]) -> Service:
    here = databases is None and not workspace.database.exists()
    return Service(
        name="mlflow",
        title="MLflow server",
        command=(str(_BIN / "mlflow"), "server", "--host", HOST, "--port", str(ports.mlflow), "--workers", "1"),
        env={
            **{name: value for name, value in environment.items() if name != tracking.VARIABLE},
            # not arguments, which every user of the machine can read
            "MLFLOW_BACKEND_STORE_URI": databases.mlflow if databases else urls.sqlite(workspace.database),
            "MLFLOW_ARTIFACTS_DESTINATION": urls.folder(workspace.artifacts),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes that Rounds does not use
        },
        ready=ReadinessProbe(f"{_mlflow_address(ports)}/health"),
        port=ports.mlflow,
        option="--mlflow-port",
        lock=workspace.mlflow_lock if here else None,
    )


def _worker(ports: Ports, environment: Mapping[str, str]) -> Service:
    """Runs flows in processes of their own, with its environment. It is ready with its first heartbeat."""
    name, now = "rounds-up", datetime.now(UTC).isoformat()
    since = f'{{"workers": {{"last_heartbeat_time": {{"after_": "{now}"}}}}}}'
    return Service(
        name="worker",
        title="worker",
        command=(str(_BIN / "prefect"), "worker", "start", "--pool", POOL, "--name", name),
        env={**environment, "PREFECT_WORKER_QUERY_SECONDS": QUERY},
        ready=ReadinessProbe(f"{ports.api}/work_pools/{POOL}/workers/filter", since, contains=f'"{name}"'),
    )


def problems(workspace: Workspace, links: Mapping[str, str], databases: Databases | None) -> list[str]:
    """What is wrong with services that run, one sentence each.

    Args:
        workspace: the workspace that they serve.
        links: title of a service → its address.
        databases: databases on a PostgreSQL server; None for files in the workspace.
    """
    problem = _app_state(workspace, links[APP], databases).problem() if APP in links else None
    return [not_usable(APP, problem)] if problem else []


def not_usable(title: str, problem: str) -> str:
    """The sentence that a service answers and cannot be used."""
    return f"The {title} runs and cannot be used: {problem}"


def _app_state(workspace: Workspace, address: str, databases: Databases | None) -> StateProbe:
    """Whether the serving app can store. Whether it has a champion does not count: a new workspace has none yet."""
    store = databases.feedback if databases else None
    why = partial(feedback_database.problem, workspace, store)
    return StateProbe(f"{address}/health/ready", "database", why)


def _serving(
    workspace: Workspace, ports: Ports, databases: Databases | None, environment: Mapping[str, str]
) -> Service:
    listen = ("--host", HOST, "--port", str(ports.serving), "-w", str(workspace.root))
    return Service(
        name="serving",
        title=APP,
        command=(sys.executable, "-m", SERVING, *listen),
        env=environment,
        ready=ReadinessProbe(f"http://{HOST}:{ports.serving}/health/live"),
        port=ports.serving,
        option="--serving-port",
        grace=ANSWERS,
        state=_app_state(workspace, f"http://{HOST}:{ports.serving}", databases),
    )
