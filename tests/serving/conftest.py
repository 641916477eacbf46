"""A workspace with three versions, and an app for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from starlette.testclient import TestClient

from serving.app import create_app
from serving.context import Serving
from tasks.state.workspace import Workspace
from tests.serving import served
from tests.workspaces import Furnish, made_once, moved

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def three_versions(furnish: Furnish, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """To be read: `workspace` is a copy."""
    return made_once("served", lambda root: served.make(furnish(root)), tmp_path_factory)


@pytest.fixture
def workspace(three_versions: Workspace, tmp_path: Path) -> Workspace:
    """Versions 1, 2 and 3 of random weights; 1 is champion, and the gates rejected 3."""
    return moved(three_versions, tmp_path / "workspace")


@pytest.fixture
def serving(workspace: Workspace) -> Serving:
    """The parts of a server, not started."""
    return Serving.of(workspace, served.SETTINGS)


@pytest.fixture
def client(serving: Serving) -> Iterator[TestClient]:
    """The app in this process, with version 1."""
    with TestClient(create_app(serving)) as opened:
        served.ready(serving)
        yield opened
