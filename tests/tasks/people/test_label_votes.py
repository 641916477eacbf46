"""The pairs of a round that waits for votes, as tasks of the label page."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from uuid import uuid4

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.people import polls, waiting
from tasks.people.labelling import AlreadyJudged, NothingToUndo
from tasks.people.polls import NoPoll
from tasks.people.waiting import VotesNeeded
from tasks.state import feedback_database
from tasks.state.workspace import Workspace
from tests.services.programs import hanging
from tests.tasks.people.desk import Desk, fill, furnished, side, stored
from tests.tasks.people.waiting_round import opened


@pytest.fixture
def voting(tmp_path: Path) -> Workspace:
    """Round 3 waits for two votes."""
    workspace = furnished(opened(tmp_path))
    waiting.begin(workspace, "votes", 3600, VotesNeeded(votes=2))
    return workspace


def test_the_pairs_of_a_waiting_round_come_first_and_votes_end_its_wait(voting: Workspace) -> None:
    with feedback_database.opened(voting) as db:
        fill(voting, 1)
        desk = Desk(voting, db)
        task = desk.next()
        assert (task.prompt[0].content, task.editable) == ("Question 0?", False)
        assert sorted(task.answers) == ["No.", "Yes."]
        assert desk.progress() == (0, 0, 3, 4, False), (
            "two votes and an item; three pairs with different answers and an item"
        )
        receipt = desk.judge(task, preferred=side(task, "Yes."), strength=3, reason="Clear.")
        assert receipt == (None, False, False)
        assert desk.judge(task, preferred=side(task, "Yes."), strength=3, reason="Clear.").repeated
        with pytest.raises(AlreadyJudged):
            desk.judge(task, preferred=side(task, "No."))
        [vote] = polls.cast(voting)
        assert (vote.judgements[0].ranks, vote.judgements[0].strength) == ((1, 2), 3)
        assert vote.shown_order == tuple(["Yes.", "No."].index(text) for text in task.answers)
        assert desk.judge(desk.next(), preferred="tie").continued
        assert (polls.count(voting), stored(db)) == (2, [])
        assert desk.next().kind == "comparison"
        assert desk.next().editable, "no more votes are wanted: the queue follows"


def test_the_last_vote_is_saved_while_the_prefect_server_hangs(voting: Workspace) -> None:
    """The run that waits would be resumed: by Prefect's settings, each request would wait for 60 s."""
    wait = waiting.of(voting, "votes")
    assert wait is not None
    waiting.suspend(voting, wait, str(uuid4()))
    with (
        hanging() as port,
        temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}),
        feedback_database.opened(voting) as db,
    ):
        desk = Desk(voting, db)
        desk.judge(desk.next(), preferred="tie")
        began = time.monotonic()
        assert desk.judge(desk.next(), preferred="tie").continued
        assert time.monotonic() - began < 30


def test_of_two_votes_on_a_pair_at_once_one_is_stored(voting: Workspace) -> None:
    with feedback_database.opened(voting) as db:
        desk = Desk(voting, db)
        task, together = desk.next(), Barrier(2)

        def vote(preferred: str) -> bool:
            together.wait(60)
            try:
                return not desk.judge(task, preferred=preferred).repeated
            except AlreadyJudged:
                return False

        with ThreadPoolExecutor(2) as threads:
            assert sorted(threads.map(vote, ("left", "right"))) == [False, True]
        assert len(polls.cast(voting)) == 1
        desk.undo()
        assert polls.count(voting) == 0


def test_a_vote_is_taken_back_while_the_round_waits(voting: Workspace) -> None:
    with feedback_database.opened(voting) as db:
        desk = Desk(voting, db)
        task = desk.next()
        desk.judge(task, preferred="left")
        assert desk.undo().id == task.id
        assert polls.count(voting) == 0
        assert desk.next().id == task.id
        desk.judge(task, preferred="right")
        assert polls.count(voting) == 1
        wait = waiting.of(voting, "votes")
        assert wait is not None
        waiting.end(voting, wait)
        with pytest.raises(NothingToUndo, match="no longer waits"):
            desk.undo()
        with pytest.raises(NoPoll):
            desk.judge(task, preferred="right")


def test_a_pair_that_was_judged_taken_back_and_then_skipped_is_done_with(voting: Workspace) -> None:
    with feedback_database.opened(voting) as db:
        desk = Desk(voting, db)
        task = desk.next()
        desk.judge(task, preferred="left")
        desk.undo()
        desk.judge(task, outcome="skip")
        assert desk.next().id != task.id
        assert desk.undo().id == task.id, "that it was skipped is taken back too"
        assert desk.next().id == task.id
        desk.judge(task, preferred="right")
        assert (polls.count(voting), desk.next().id == task.id) == (1, False)


def test_a_pair_whose_skip_is_taken_back_can_be_judged(voting: Workspace) -> None:
    with feedback_database.opened(voting) as db:
        desk = Desk(voting, db)
        task = desk.next()
        desk.judge(task, outcome="skip")
        assert desk.undo().id == task.id
        polls.pull(voting, "bo")  # which notes who has judged what
        desk.judge(task, preferred="right")
        assert polls.count(voting) == 1
