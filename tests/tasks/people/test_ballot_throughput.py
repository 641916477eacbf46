"""Fresh votes by people, counted by the day of their arrival."""

import os
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

from tasks.people.ballot_throughput import a_day
from tasks.state.workspace import Workspace
from tests.feedback.examples import vote

SINCE = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def cast(workspace: Workspace, pairs: str, number: int, *times: datetime) -> None:
    """One ballot, written when its last vote arrived."""
    ballot = workspace.ballot(pairs, number)
    ballot.parent.mkdir(parents=True, exist_ok=True)
    ballot.write_text("".join(vote("1", ingested_at=at).model_dump_json() + "\n" for at in times))
    written = max(times).timestamp()
    os.utime(ballot, (written, written))


def test_without_ballots_there_are_none(tmp_path: Path) -> None:
    assert a_day(Workspace(tmp_path), SINCE) == {}


def test_votes_of_all_rounds_are_counted_by_their_day_in_utc(tmp_path: Path) -> None:
    """23:30 of the third at UTC-1 is the fourth; what arrived before the limit does not count, whatever its ballot."""
    workspace, noon = Workspace(tmp_path), datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
    cast(workspace, "a", 1, noon, noon)
    cast(workspace, "a", 2, datetime(2026, 11, 3, 23, 30, tzinfo=timezone(timedelta(hours=-1))))
    cast(workspace, "b", 1, SINCE - timedelta(seconds=1), SINCE)
    cast(workspace, "b", 2, SINCE - timedelta(days=1))
    assert a_day(workspace, SINCE) == {date(2026, 11, 3): 2, date(2026, 11, 4): 1, date(2026, 11, 1): 1}


def test_a_ballot_that_was_written_again_is_read_again(tmp_path: Path) -> None:
    workspace, day = Workspace(tmp_path), timedelta(days=1)
    cast(workspace, "a", 1, SINCE + day, SINCE + 2 * day)
    assert a_day(workspace, SINCE).total() == 2
    cast(workspace, "a", 1, SINCE + day)
    assert a_day(workspace, SINCE) == {date(2026, 11, 2): 1}
