"""A workspace whose feedback database is open."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from feedback.store.database import Database
from tasks.state import feedback_database
from tasks.state.workspace import Workspace
from tests.tasks.people.desk import furnished


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return furnished(Workspace(tmp_path))


@pytest.fixture
def db(workspace: Workspace) -> Iterator[Database]:
    with feedback_database.opened(workspace) as database:
        yield database
