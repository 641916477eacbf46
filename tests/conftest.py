"""Workspaces for tests. A fixture is created only if a test requests it."""

import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.state.choosing import at
from tasks.state.identity import EMBEDDED_SALT
from tasks.state.workspace import Workspace
from tests.commands import CommandResult, Rounds
from tests.profile import HOLD, PROMOTE, TINY
from tests.teams import Team
from tests.workspaces import Furnish, changed_at, made_once, moved

FOREIGN = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_RUN_ID",
    "ROUNDS_MLFLOW_PAGES",
    "PREFECT_API_URL",
    "ROUNDS_WORKSPACE",
    "ROUNDS_LINE",
    "ROUNDS_FEEDBACK_DATABASE",
    "ROUNDS_POSTGRESQL",
)
"""Environment variables that are removed, so that tests use only their own folders."""

OTHERS = (
    "ignore:Type object <class 'prefect.server:DeprecationWarning",  # Prefect's tables, on SQLAlchemy 2.1
)
"""Warnings of third-party packages."""

IN_MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30
"""Bytes. A whole session needs about a quarter of it."""


def pytest_configure(config: pytest.Config) -> None:
    """Put the workspaces of tests in memory where there is room: on a disk, a round waits half of its time."""
    if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))
    for warning in OTHERS:
        config.addinivalue_line("filterwarnings", warning)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with one file that needs the shared rounds, then the small tests, then everything that runs rounds.

    With two workers, one makes the shared rounds while the other has small tests to do, and neither waits.
    """
    items.sort(key=lambda item: _turn(item.path.relative_to(item.config.rootpath).as_posix()))


def _turn(path: str) -> int:
    if path == "tests/flows/test_first_round.py":
        return 0
    return (
        2
        if path.startswith(("tests/flows/", "tests/cli/", "tests/services/", "tests/engines/", "tests/upgrade/"))
        else 1
    )


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables and nothing in them: making the tables takes seconds, copying them none."""
    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    from mlflow import MlflowClient

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow's own making
        MlflowClient(tracking_uri=f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture(scope="session")
def surroundings() -> Iterator[None]:
    """No setting of the machine reaches into a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in FOREIGN:
            patch.delenv(name, raising=False)
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("PREFECT_LOGGING_LEVEL", "CRITICAL")
        yield


@pytest.fixture(scope="session")
def prefect(surroundings: None) -> Iterator[None]:
    """A Prefect server for the session, and flows without the second that joining their heartbeat takes."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@pytest.fixture(scope="session")
def furnish(empty_store: Path, surroundings: None) -> Furnish:
    """Makes a folder a workspace in which no round has run."""

    def made(root: Path) -> Workspace:
        workspace = at(root, salt=EMBEDDED_SALT)
        shutil.copyfile(empty_store, root / "mlflow.db")
        return workspace

    return made


@pytest.fixture
def workspace(furnish: Furnish, tmp_path: Path) -> Workspace:
    """A workspace in which no round has run."""
    return furnish(tmp_path / "workspace")


@pytest.fixture
def team(surroundings: None, empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    """Workspaces with one MLflow database outside all of them, which counts as a server."""
    server = shutil.copyfile(empty_store, tmp_path / "server.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{server}")
    return lambda name: at(tmp_path / name)


@pytest.fixture(scope="session")
def finished(furnish: Furnish, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Workspace:
    """Rounds 0 and 1 of the tiny profile, both promoted. To be read; `continued` is there to be changed."""

    def make(root: Path) -> None:
        request.getfixturevalue("prefect")  # only the worker that makes it needs a server
        from flows.round import rlhf_round

        rlhf_round([*TINY, PROMOTE], str(furnish(root).root))

    return made_once("finished", make, tmp_path_factory)


@pytest.fixture(scope="session")
def followed(
    finished: Workspace, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Workspace:
    """The same with round 2, whose verdict is hold. To be read."""

    def make(root: Path) -> None:
        request.getfixturevalue("prefect")
        from flows.round import rlhf_round

        rlhf_round([*TINY, HOLD], str(moved(finished, root).root))

    return made_once("followed", make, tmp_path_factory)


@pytest.fixture(autouse=True)
def shared_workspaces_unchanged(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that changes a workspace which others read fails, and not one of the others."""
    shared: list[Workspace] = [
        request.getfixturevalue(name) for name in ("finished", "followed") if name in request.fixturenames
    ]
    before = [changed_at(workspace) for workspace in shared]
    yield
    after = [changed_at(workspace) for workspace in shared]
    assert [new.items() ^ old.items() for new, old in zip(after, before, strict=True)] == [set() for _ in shared]


@pytest.fixture
def continued(finished: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the workspace with rounds 0 and 1."""
    return moved(finished, tmp_path / "continued")


@pytest.fixture
def rounds(surroundings: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rounds:
    """`rounds …` with the words given, in this process."""
    from cli.__main__ import main

    monkeypatch.setenv("COLUMNS", "200")

    def typed(*words: object) -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["rounds", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        return CommandResult(end.value.code, *capsys.readouterr())

    return typed
