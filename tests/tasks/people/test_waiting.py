from pathlib import Path

from core.files import write_json
from tasks.people import waiting
from tasks.people.pending import pending
from tasks.people.waiting import Wanted
from tasks.state import records
from tests.tasks.people.waiting_round import opened


def test_a_wait_begun_again_keeps_its_deadline(tmp_path: Path) -> None:
    place = opened(tmp_path)
    first = waiting.begin(place, "votes", 3600, Wanted(votes=2))
    assert waiting.begin(place, "votes", 7200, Wanted(votes=9)) == first
    assert waiting.now(place) == first
    assert not first.past


def test_the_time_is_up_after_so_many_seconds(tmp_path: Path) -> None:
    assert waiting.begin(opened(tmp_path), "votes", 0, Wanted(votes=2)).past


def test_a_wait_that_ended_is_none(tmp_path: Path) -> None:
    place = opened(tmp_path)
    waiting.end(place, waiting.begin(place, "votes", 3600, Wanted(votes=2)))
    assert waiting.now(place) is None
    ended = waiting.of(place, "votes")
    assert ended is not None
    assert ended.ended is not None


def test_a_round_that_is_opened_anew_waits_anew(tmp_path: Path) -> None:
    place = opened(tmp_path)
    waiting.begin(place, "votes", 0, Wanted(votes=2))
    opened(tmp_path, at="2026-11-22T08:00:00+00:00")
    assert waiting.now(place) is None
    assert not waiting.begin(place, "votes", 3600, Wanted(votes=2)).past


def test_a_finished_round_waits_for_nobody(tmp_path: Path) -> None:
    place = opened(tmp_path)
    waiting.begin(place, "votes", 3600, Wanted(votes=2))
    write_json(records.path(place, 3), {})
    assert pending(place) is None


def test_the_suspended_run_is_remembered(tmp_path: Path) -> None:
    place = opened(tmp_path)
    waiting.suspend(place, waiting.begin(place, "votes", 3600, Wanted(votes=2)), "run 1")
    now = waiting.now(place)
    assert now is not None
    assert now.flow_run == "run 1"
