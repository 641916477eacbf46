"""The services of a workspace: their commands, environments and order."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from core.errors import BadParams
from tasks.services import chosen
from tasks.services.chosen import NAMES, Ports
from tasks.services.postgresql import Databases
from tasks.services.service import Service, StateProbe
from tasks.state.workspace import Workspace
from tests.cures import cures
from tests.tasks.services.small import free_port

PORTS = Ports(prefect=14200, mlflow=15000, serving=18000)
SECRET = "S3cret"
SERVER = f"ana:{SECRET}@db.internal"
DATABASES = Databases(
    server=f"postgresql://{SERVER}/postgres",
    prefect=f"postgresql+asyncpg://{SERVER}/p",
    history=f"postgresql://{SERVER}/p",
    mlflow=f"postgresql://{SERVER}/m",
    feedback=f"postgresql://{SERVER}/f",
    names=("p", "m", "f"),
)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "ROUNDS_FEEDBACK_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    return Workspace(tmp_path / "help desk?")


def by_name(workspace: Workspace, databases: Databases | None = None) -> dict[str, Service]:
    return {service.name: service for service in chosen.services(workspace, PORTS, databases)}


def test_the_order_in_which_they_start(workspace: Workspace) -> None:
    services = chosen.services(workspace, PORTS, None)
    assert [service.name for service in services] == list(NAMES)
    ports = {"prefect": 14200, "mlflow": 15000, "worker": None, "serving": 18000}
    assert [service.port for service in services] == [ports[name] for name in NAMES]
    assert [service.name for service in chosen.services(workspace, PORTS, None, ["mlflow"])] == ["mlflow"]


def test_every_program_is_there(workspace: Workspace) -> None:
    for service in chosen.services(workspace, PORTS, None):
        for program, *words in filter(None, (service.command, service.then)):
            assert Path(program).exists()
            assert words[0] != "-m" or find_spec(words[1])


def test_everything_listens_on_the_loopback_address_only(workspace: Workspace) -> None:
    for service in by_name(workspace).values():
        if service.port:
            assert service.command[service.command.index("--host") + 1] == "127.0.0.1"
            assert service.command[service.command.index("--port") + 1] == str(service.port)


def test_without_a_database_server_everything_is_in_the_workspace(workspace: Workspace) -> None:
    services, root = by_name(workspace), workspace.root
    quoted = str(root).replace("?", "%3F")
    own = services["prefect"].env["PREFECT_SERVER_DATABASE_CONNECTION_URL"]
    assert own == f"sqlite+aiosqlite:///{quoted}/data/services/prefect/prefect.db"
    assert services["mlflow"].env["MLFLOW_BACKEND_STORE_URI"].endswith(f":///{quoted}/mlflow.db")
    assert services["mlflow"].env["MLFLOW_ARTIFACTS_DESTINATION"] == f"{root.as_uri()}/mlruns"
    worker = services["worker"].env
    assert (worker["ROUNDS_WORKSPACE"], worker["PREFECT_API_URL"]) == (str(root), "http://127.0.0.1:14200/api")
    assert (worker["PREFECT_WORKER_QUERY_SECONDS"], worker["DO_NOT_TRACK"]) == ("2", "1")
    assert not {"MLFLOW_TRACKING_URI", "ROUNDS_FEEDBACK_DATABASE"} & worker.keys()
    assert worker["ROUNDS_MLFLOW_PAGES"] == "http://127.0.0.1:15000"
    assert services["serving"].env["ROUNDS_MLFLOW_PAGES"] == "http://127.0.0.1:15000"
    assert chosen.exports(workspace, PORTS, None) == {
        "ROUNDS_WORKSPACE": str(root),
        "PREFECT_API_URL": "http://127.0.0.1:14200/api",
    }


def test_only_a_new_mlflow_database_is_locked_while_the_server_starts(workspace: Workspace) -> None:
    assert by_name(workspace)["mlflow"].lock == workspace.mlflow_lock
    assert by_name(workspace, DATABASES)["mlflow"].lock is None
    workspace.root.mkdir()
    workspace.database.touch()
    assert by_name(workspace)["mlflow"].lock is None


def test_with_a_database_server_the_worker_uses_the_mlflow_server(workspace: Workspace) -> None:
    services = by_name(workspace, DATABASES)
    assert services["prefect"].env["PREFECT_SERVER_DATABASE_CONNECTION_URL"] == DATABASES.prefect
    assert services["mlflow"].env["MLFLOW_BACKEND_STORE_URI"] == DATABASES.mlflow
    worker = services["worker"].env
    assert worker["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:15000"
    assert worker["ROUNDS_FEEDBACK_DATABASE"] == DATABASES.feedback
    assert "MLFLOW_TRACKING_URI" not in services["mlflow"].env, "it would be a client of itself"


def test_no_password_is_an_argument_or_an_export(workspace: Workspace) -> None:
    """Every user of the machine can read the arguments of a process."""
    for service in by_name(workspace, DATABASES).values():
        assert SECRET not in " ".join((*service.command, *service.then))
    assert SECRET not in str(chosen.exports(workspace, PORTS, DATABASES))
    assert chosen.feedback(DATABASES) == {"ROUNDS_FEEDBACK_DATABASE": DATABASES.feedback}
    assert chosen.feedback(None) == {}


def test_another_mlflow_server_is_used_instead_of_an_own_one(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.internal:5000")
    services = by_name(workspace)
    assert "mlflow" not in services
    assert services["worker"].env["MLFLOW_TRACKING_URI"] == "http://mlflow.internal:5000"


def test_the_address_of_the_own_mlflow_server_is_one_only_with_a_database_server(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:15000/")
    assert "mlflow" in by_name(workspace, DATABASES)
    with pytest.raises(BadParams, match="; unset MLFLOW_TRACKING_URI"):
        by_name(workspace)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:15000")
    assert "mlflow" in by_name(workspace, DATABASES)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert "mlflow" in by_name(workspace)


def test_the_serving_app_is_asked_whether_it_can_store(workspace: Workspace) -> None:
    """Whether it has a champion does not count."""
    state = by_name(workspace)["serving"].state
    assert state == StateProbe("http://127.0.0.1:18000/health/ready", "database")
    assert chosen.problems(workspace, {"Prefect server": "http://127.0.0.1:14200"}, None) == []
    [problem] = chosen.problems(workspace, {"serving app": f"http://127.0.0.1:{free_port()}"}, None)
    assert problem.startswith("The serving app runs and cannot be used: http://127.0.0.1:")


@cures(
    "tasks.services.chosen._check_prefect: unset PREFECT_API_URL",
    "tasks.services.chosen._check_prefect: --prefect-port PORT",
)
def test_another_prefect_server_is_refused(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its deployments would be replaced by those of this workspace."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    with pytest.raises(BadParams, match="unset PREFECT_API_URL, or choose the port with `--prefect-port PORT`"):
        by_name(workspace)
    assert chosen.services(workspace, Ports(prefect=4200), None)
    monkeypatch.setenv("PREFECT_API_URL", "http://localhost:14200/api")
    assert by_name(workspace)
    for other in (
        "http://prefect.internal:14200/api",
        "https://127.0.0.1:14200/api",
        "http://[::1]:14200",
        "http://a:b",
    ):
        monkeypatch.setenv("PREFECT_API_URL", other)
        with pytest.raises(BadParams, match="unset PREFECT_API_URL"):
            by_name(workspace)
    assert chosen.services(workspace, PORTS, None, ["mlflow"])
    monkeypatch.delenv("PREFECT_API_URL")
    assert by_name(workspace)


def test_variables_that_point_elsewhere_are_not_inherited(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_PROFILE", "work")
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "DEBUG")
    for service in by_name(workspace).values():
        assert "PREFECT_PROFILE" not in service.env
        assert service.env["PREFECT_LOGGING_LEVEL"] == "DEBUG"
