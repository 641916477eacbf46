"""Why there is no task."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from feedback.store.database import Database
from tasks.people import nothing_to_label, waiting
from tasks.people.label_settings import LabelSettings
from tasks.people.nothing_to_label import WhyNothing
from tasks.people.waiting import VotesNeeded
from tasks.state import feedback_database, intake
from tasks.state.workspace import Workspace
from tests.tasks.people.desk import PLAIN, Desk, fill, furnished
from tests.tasks.people.waiting_round import opened


def why(desk: Desk, settings: LabelSettings = PLAIN, champion: bool = True) -> str:
    """The reason, when there is no task; without a time."""
    reason, until = why_and_until(desk, settings, champion)
    assert until is None
    return reason


def why_and_until(desk: Desk, settings: LabelSettings = PLAIN, champion: bool = True) -> WhyNothing:
    assert desk.take() is None
    found = nothing_to_label.why_nothing(desk.workspace, desk.db, settings, desk.annotator, champion)
    assert found is not None
    return found


def test_what_others_hold_comes_back_when_the_first_of_them_is_late(workspace: Workspace, db: Database) -> None:
    fill(workspace, 2)
    start = datetime.now(UTC)
    for name, hold in (("bob", 7200), ("cem", 3600)):
        Desk(workspace, db, name, PLAIN.model_copy(update={"hold": float(hold)})).next()
    reason, until = why_and_until(Desk(workspace, db))
    assert reason == "held"
    assert until is not None
    assert start + timedelta(seconds=3600) <= until <= datetime.now(UTC) + timedelta(seconds=3600)


def test_what_wants_more_judgements_than_there_are_holders_is_not_waited_for(
    workspace: Workspace, db: Database
) -> None:
    """An item wants three: ana and dan judge it, bob holds it. It may come back to eve alone, who never had it."""
    fill(workspace, 1, overlap=3)
    ana = Desk(workspace, db)
    ana.judge(ana.next(), preferred="left")
    Desk(workspace, db, "bob").next()
    assert why(ana) == "left_to_others"
    dan = Desk(workspace, db, "dan")
    dan.judge(dan.next(), preferred="left")
    assert why(dan) == "left_to_others"
    assert why_and_until(Desk(workspace, db, "eve")).reason == "held"


def test_a_task_that_has_come_in_the_meantime_is_no_nothing(workspace: Workspace, db: Database) -> None:
    desk = Desk(workspace, db)
    assert desk.take() is None
    fill(workspace, 1)
    assert nothing_to_label.why_nothing(workspace, db, PLAIN, "ana", True) is None


def test_what_was_skipped_is_left_to_others_until_all_is_done(workspace: Workspace, db: Database) -> None:
    fill(workspace, 1)
    ana, bob = Desk(workspace, db), Desk(workspace, db, "bob")
    ana.judge(ana.next(), outcome="skip")
    assert why(ana) == "left_to_others"
    bob.judge(bob.next(), preferred="left")
    assert why(ana) == why(bob) == "done"


def test_votes_that_a_round_still_wants_are_left_to_others(tmp_path: Path) -> None:
    """Three of its pairs have different answers; it wants four votes."""
    workspace = furnished(opened(tmp_path))
    waiting.begin(workspace, "votes", 3600, VotesNeeded(votes=4))
    with feedback_database.opened(workspace) as database:
        desk = Desk(workspace, database)
        for _ in range(3):
            desk.judge(desk.next(), preferred="left")
        assert why(desk) == "left_to_others"


def test_an_empty_queue_waits_for_a_champion_then_for_its_answers(workspace: Workspace, db: Database) -> None:
    desk = Desk(workspace, db)
    assert why(desk, PLAIN.model_copy(update={"fill": ()})) == "not_filled"
    assert why(desk, champion=False) == "no_champion"
    assert nothing_to_label.why_nothing(workspace, db, PLAIN, "ana", None) is None, "nobody knows"
    assert intake.collects(workspace), "the simulated annotator has answers collected, without any setting"
    assert why(desk) == "no_answers"
    workspace.params.write_text("ingest: {sources: [{use: jsonl, path: votes.jsonl}]}\n")
    assert why(desk) == "not_collected"
    assert why(desk, PLAIN.model_copy(update={"fill": ("collected", "served")})) == "no_answers"
    workspace.params.write_text("ingest: {sources: [{use: jsonl, path: votes.jsonl}, {use: label_page}]}\n")
    assert why(desk) == "no_answers"
