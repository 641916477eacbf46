"""An app for a workspace without versions: pages need no model."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.context import Serving
from tasks.state.workspace import Workspace
from tests.serving.pages.label_tasks import bare


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Without rounds."""
    return bare(tmp_path)


@pytest.fixture
def client(serving: Serving) -> Iterator[TestClient]:
    """The app in this process."""
    with TestClient(create_app(serving)) as opened:
        yield opened
