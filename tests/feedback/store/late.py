"""A transaction that stores an event and commits late."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Connection

from feedback.schema import FeedbackEvent
from feedback.store import arrivals
from feedback.store.database import Database

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@contextmanager
def late(db: Database, event: FeedbackEvent) -> Iterator[None]:
    """The transaction has stored the event when the block begins, and commits when the block ends."""
    stored, go_on = threading.Event(), threading.Event()

    def work(connection: Connection) -> None:
        arrivals._insert(connection, [arrivals._row(event, NOW)])
        stored.set()
        assert go_on.wait(30)

    thread = threading.Thread(target=lambda: db.write(work))
    thread.start()
    assert stored.wait(30)
    try:
        yield
    finally:
        go_on.set()
        thread.join(30)
