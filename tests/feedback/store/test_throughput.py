"""Feedback by the day of its arrival, in UTC, in both databases."""

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

from feedback.store import arrivals, throughput
from feedback.store.database import Database
from tests.feedback.examples import vote

SINCE = datetime(2026, 11, 1, tzinfo=UTC)


def arrived(db: Database, folder: Path, at: datetime, *names: str) -> None:
    arrivals.put(db, [vote(name) for name in names], folder, at)


def test_each_day_has_the_number_of_its_events(db: Database, tmp_path: Path) -> None:
    assert throughput.a_day(db, SINCE) == {}
    arrived(db, tmp_path, datetime(2026, 11, 3, 0, 0, tzinfo=UTC), "a", "b")
    arrived(db, tmp_path, datetime(2026, 11, 3, 23, 59, 59, tzinfo=UTC), "c")
    arrived(db, tmp_path, datetime(2026, 11, 4, 0, 0, tzinfo=UTC), "d")
    assert throughput.a_day(db, SINCE) == {date(2026, 11, 3): 3, date(2026, 11, 4): 1}


def test_a_day_is_one_of_utc(db: Database, tmp_path: Path) -> None:
    west = timezone(timedelta(hours=-8))
    arrived(db, tmp_path, datetime(2026, 11, 3, 20, 0, tzinfo=west), "a")  # 04:00 of the next day
    assert throughput.a_day(db, SINCE) == {date(2026, 11, 4): 1}


def test_older_ones_do_not_count_and_a_claim_changes_nothing(db: Database, tmp_path: Path) -> None:
    arrived(db, tmp_path, SINCE - timedelta(seconds=1), "old")
    arrived(db, tmp_path, SINCE, "new")
    arrivals.claim(db, 1)
    assert throughput.a_day(db, SINCE) == {date(2026, 11, 1): 1}
