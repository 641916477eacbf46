"""A workspace with three versions, and an app for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from starlette.testclient import TestClient

from models.adapters import AdapterSettings
from models.policy import build
from serving.app import create_app
from serving.context import Serving
from tasks.registry.bases import DIGEST_TAG
from tasks.rounds.fetching import fetch
from tasks.state import loading
from tasks.state.workspace import Workspace
from tests.models.conftest import TEXTS
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
def adapted(workspace: Workspace, tmp_path: Path) -> Workspace:
    """The workspace, in which versions 4 and 5 are adapters of one base."""
    build(served.LIMITS, TEXTS, seed=9).save(tmp_path / "base")
    base = fetch(workspace, str(tmp_path / "base"), "mine")
    for number in (4, 5):
        policy = loading.outside(workspace).new_adapter(base.digest, AdapterSettings(rank=2), "policy", number)
        shuffle = torch.Generator().manual_seed(number)
        with torch.no_grad():
            for _, tensor in sorted(policy.network.state_dict().items()):
                tensor.copy_(torch.randn(tensor.shape, generator=shuffle) * 0.2)
        folder = served.policy_folder(workspace, number)
        policy.save(folder)
        assert served.register_folder(workspace, number, folder, {DIGEST_TAG: base.digest}) == str(number)
    return workspace


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
