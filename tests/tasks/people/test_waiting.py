from pathlib import Path

from core.files import write_json
from tasks.people import waiting
from tasks.people.pending import pending
from tasks.people.waiting import VotesNeeded
from tasks.state import records
from tests.tasks.people.waiting_round import opened


def test_a_wait_begun_again_keeps_its_deadline(tmp_path: Path) -> None:
    workspace = opened(tmp_path)
    first = waiting.begin(workspace, "votes", 3600, VotesNeeded(votes=2))
    assert waiting.begin(workspace, "votes", 7200, VotesNeeded(votes=9)) == first
    assert waiting.now(workspace) == first
    assert not first.past


def test_the_deadline_passes(tmp_path: Path) -> None:
    assert waiting.begin(opened(tmp_path), "votes", 0, VotesNeeded(votes=2)).past


def test_an_ended_wait_is_not_the_current_one(tmp_path: Path) -> None:
    workspace = opened(tmp_path)
    waiting.end(workspace, waiting.begin(workspace, "votes", 3600, VotesNeeded(votes=2)))
    assert waiting.now(workspace) is None
    ended = waiting.of(workspace, "votes")
    assert ended is not None
    assert ended.ended is not None


def test_a_reopened_round_starts_a_new_wait(tmp_path: Path) -> None:
    workspace = opened(tmp_path)
    waiting.begin(workspace, "votes", 0, VotesNeeded(votes=2))
    opened(tmp_path, at="2026-11-22T08:00:00+00:00")
    assert waiting.now(workspace) is None
    assert not waiting.begin(workspace, "votes", 3600, VotesNeeded(votes=2)).past


def test_more_votes_than_pairs_take_several_people(tmp_path: Path) -> None:
    """Three of the four pairs have different answers: 7 votes on 3 pairs take 3 people."""
    workspace = opened(tmp_path)
    waiting.begin(workspace, "votes", 3600, VotesNeeded(votes=7))
    awaited = pending(workspace)
    assert awaited is not None
    assert "0 of 7 are in, on 3 pairs, so at least 3 people have to vote" in awaited.summary


def test_a_finished_round_waits_for_nobody(tmp_path: Path) -> None:
    workspace = opened(tmp_path)
    waiting.begin(workspace, "votes", 3600, VotesNeeded(votes=2))
    write_json(records.path(workspace, 3), {})
    assert pending(workspace) is None


def test_the_suspended_run_is_remembered(tmp_path: Path) -> None:
    workspace = opened(tmp_path)
    waiting.suspend(workspace, waiting.begin(workspace, "votes", 3600, VotesNeeded(votes=2)), "run 1")
    now = waiting.now(workspace)
    assert now is not None
    assert now.flow_run == "run 1"
