"""What only PostgreSQL does. Everything else is tested there as well as on SQLite, in tests/feedback/store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from core.errors import BadWorkspace
from feedback import trust
from feedback.store import arrivals, database
from feedback.store.database import Database, NoDatabase
from feedback.store.tables import events
from tasks.state import feedback_database
from tasks.state.workspace import Workspace
from tasks.tools.receiving import receive
from tests.feedback.examples import vote
from tests.feedback.store.late import NOW, late
from tests.services import postgres

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(postgres.programs() is None, reason="no PostgreSQL: apt-get install postgresql"),
]

EVENTS = [vote(str(number)) for number in range(3)]


@pytest.fixture
def server() -> Iterator[str]:
    with postgres.serving() as url:
        yield url


@pytest.fixture
def db(server: str) -> Iterator[Database]:
    opened = database.connect(server)
    yield opened
    opened.close()


def test_an_event_that_commits_after_the_claim_is_in_the_next_round(db: Database, tmp_path: Path) -> None:
    """It has a lower number than events that were claimed: a round that noted the highest number would lose it."""
    with late(db, EVENTS[0]):
        arrivals.put(db, EVENTS[1:], tmp_path, NOW)
        first = arrivals.claim(db, 1)
        assert [event.source_id for event in arrivals.claimed(db, 1, first.digest)] == ["1", "2"]
    second = arrivals.claim(db, 2)
    assert [event.source_id for event in arrivals.claimed(db, 2, second.digest)] == ["0"]
    assert [event.source_id for event in arrivals.claimed(db, 1, first.digest)] == ["1", "2"]
    query = events.select().with_only_columns(events.c.arrival, events.c.round).order_by(events.c.arrival)
    assert [tuple(row) for row in db.read(lambda c: c.execute(query).all())] == [(1, 2), (2, 1), (3, 1)]


def test_a_commit_is_durable_and_the_tables_share_a_database_with_others(server: str) -> None:
    db = database.connect(f"{server}&options=-csynchronous_commit%3Doff")
    show = text("SHOW synchronous_commit")
    assert db.read(lambda connection: connection.execute(show).scalar()) == "off", "the default of this connection"
    assert db.write(lambda connection: connection.execute(show).scalar()) == "on"
    db.write(lambda connection: connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)")))
    db.close()
    again = database.connect(server.replace("postgresql:", "postgres:"))
    assert arrivals.waiting(again, []) == set()
    again.close()


def test_two_workspaces_do_not_take_events_of_each_other(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each gets a schema of its own, as the message says."""
    monkeypatch.setenv(feedback_database.ADDRESS, server)
    first, second = (made(tmp_path / name) for name in ("first", "second"))
    assert receive(first, EVENTS[:1], "ana", attributed=True).new == 1
    with pytest.raises(BadWorkspace, match="a schema of its own"):
        receive(second, EVENTS[1:], "ana", attributed=True)
    opened = database.connect(server)
    opened.write(lambda connection: connection.execute(text("CREATE SCHEMA second")))
    opened.close()
    monkeypatch.setenv(feedback_database.ADDRESS, f"{server}&options=-csearch_path%3Dsecond")
    assert receive(second, EVENTS[1:], "ana", attributed=True).new == 2
    ids = [trust.received(event, "ana", "http", attributed=True).feedback_id for event in EVENTS]
    assert feedback_database.waiting(second) == set(ids[1:])
    monkeypatch.setenv(feedback_database.ADDRESS, server)
    assert feedback_database.waiting(first) == {ids[0]}


def made(root: Path) -> Workspace:
    """A folder with empty parameters."""
    workspace = Workspace(root)
    workspace.data.mkdir(parents=True)
    workspace.params.write_text("")
    return workspace


def test_a_server_that_is_gone_is_named_without_the_password(tmp_path: Path) -> None:
    with postgres.serving() as url:
        db = database.connect(url.replace("rounds@", "rounds:secret@"))
        arrivals.put(db, EVENTS[:1], tmp_path, NOW)
    with pytest.raises(NoDatabase, match="ROUNDS_FEEDBACK_DATABASE") as caught:
        arrivals.put(db, EVENTS, tmp_path, NOW)
    assert "secret" not in str(caught.value)
    db.close()
