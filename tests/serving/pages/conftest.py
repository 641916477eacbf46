"""An app whose model is not awaited: pages do not need one."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.context import Serving


@pytest.fixture
def client(serving: Serving) -> Iterator[TestClient]:
    """The app in this process."""
    with TestClient(create_app(serving)) as opened:
        yield opened
