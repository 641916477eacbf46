"""An annotator takes tasks and judges them, and sees how far they are."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from core.errors import BadFeedback
from feedback.labels import LabelTask
from feedback.store import label_tasks
from feedback.store.database import Database
from feedback.votes import effective
from tasks.people.label_settings import LabelSettings
from tasks.people.labelling import AlreadyJudged, NothingToUndo, NotYours
from tasks.state import tombstones
from tasks.state.workspace import Workspace
from tests.tasks.people.desk import PLAIN, Desk, fill, gold, stored


def test_what_is_skipped_goes_to_others_and_what_cannot_be_judged_does_not(workspace: Workspace, db: Database) -> None:
    fill(workspace, 2)
    ana, bob = Desk(workspace, db), Desk(workspace, db, "bob")
    ana.judge(ana.next(), outcome="skip")
    ana.judge(ana.next(), outcome="cannot_judge")
    assert ana.take() is None
    assert bob.next().prompt[0].content == "Question 0?"
    assert bob.progress().left_for_you == 1


def test_a_task_stays_the_same_until_it_is_judged_and_sides_differ_between_people(
    workspace: Workspace, db: Database
) -> None:
    fill(workspace, 1, overlap=30)
    desk = Desk(workspace, db)
    first, again = desk.next(), desk.next()
    assert again._replace(until=first.until) == first
    left = [Desk(workspace, db, f"person-{number}").next().answers[0] for number in range(29)]
    assert 5 < left.count("Yes.") < 24


def test_a_judgement_that_is_sent_again_is_stored_once_and_another_one_is_refused(
    workspace: Workspace, db: Database
) -> None:
    fill(workspace, 1)
    desk = Desk(workspace, db)
    task = desk.next()
    receipt = desk.judge(task, preferred="left")
    assert desk.judge(task, preferred="left") == receipt._replace(repeated=True)
    with pytest.raises(AlreadyJudged, match="take that judgement back"):
        desk.judge(task, preferred="right")
    with pytest.raises(AlreadyJudged):
        desk.judge(task, preferred="left", correction="Maybe.")
    assert len(stored(db)) == 1


@pytest.mark.parametrize("others", [1, 2])
def test_judgements_that_a_restored_database_does_not_know_of_are_replaced_by_the_next_one(
    workspace: Workspace, db: Database, others: int
) -> None:
    fill(workspace, 1)
    desk = Desk(workspace, db)
    task = desk.next()
    for number in range(others):
        if number:
            desk.undo()
        desk.judge(task, preferred="left", correction=f"Maybe {number}.")
    judged = label_tasks.named(db, task.id)
    assert judged is not None
    db.write(label_tasks.reopening(judged, 0, judged.until))  # as it was before
    assert desk.next().id == task.id
    desk.judge(task, preferred="right")
    [last] = [event for event in effective(stored(db)) if event.judgements[0].outcome != "skip"]
    assert (last.judgements[0].ranks, last.kind) == ((2, 1) if last.shown_order == (0, 1) else (1, 2), "comparison")


def test_of_two_judgements_at_once_one_is_stored_and_undo_takes_it_back(workspace: Workspace, db: Database) -> None:
    fill(workspace, 20)
    desk = Desk(workspace, db)

    def answer(task: LabelTask, preferred: str, together: Barrier) -> bool:
        together.wait(60)
        try:
            return not desk.judge(task, preferred=preferred, correction=f"{preferred}!").repeated
        except AlreadyJudged:
            return False

    with ThreadPoolExecutor(2) as threads:
        for _ in range(20):
            task, together = desk.next(), Barrier(2)
            done = threads.map(lambda said, t=task, b=together: answer(t, said, b), ("left", "right"))
            assert sorted(done) == [False, True]
    assert len(stored(db)) == 40, "each judgement with its edit, and nothing of what was refused"
    for _ in range(20):
        desk.undo()
    assert {event.judgements[0].outcome for event in effective(stored(db))} == {"skip"}


def test_the_same_judgement_twice_at_once_is_stored_once(workspace: Workspace, db: Database) -> None:
    fill(workspace, 10)
    desk = Desk(workspace, db)
    with ThreadPoolExecutor(2) as threads:
        for _ in range(10):
            task = desk.next()
            receipts = threads.map(lambda _, t=task: desk.judge(t, preferred="left"), range(2))
            assert sorted(receipt.repeated for receipt in receipts) == [False, True]
    assert len(stored(db)) == 10


def test_two_who_take_the_same_judgement_back_take_back_that_one_alone(workspace: Workspace, db: Database) -> None:
    fill(workspace, 2)
    desk = Desk(workspace, db)
    first = desk.next()
    desk.judge(first, preferred="left")
    desk.judge(desk.next(), preferred="left")

    def undo(together: Barrier) -> str:
        together.wait(60)
        try:
            return desk.undo().id
        except NothingToUndo:
            return "refused"

    together = Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        taken = set(threads.map(lambda _: undo(together), range(2)))
    # one after the other they take back two; at the same time, one of them is refused
    outcomes = Counter(event.judgements[0].outcome for event in effective(stored(db)))
    assert outcomes["skip"] == len(taken - {"refused"})


def test_nobody_judges_the_task_of_another_one(workspace: Workspace, db: Database) -> None:
    fill(workspace, 1)
    task = Desk(workspace, db).next()
    with pytest.raises(NotYours, match="another person's"):
        Desk(workspace, db, "bob").judge(task, preferred="left")
    with pytest.raises(NotYours, match="no task"):
        Desk(workspace, db).judge(task._replace(id="0" * 32), preferred="left")
    assert stored(db) == []


def test_a_task_whose_time_is_over_can_be_judged_unless_it_was_handed_back(workspace: Workspace, db: Database) -> None:
    fill(workspace, 2)
    hasty = PLAIN.model_copy(update={"hold": -1.0})  # over at once
    ana, bob = Desk(workspace, db, settings=hasty), Desk(workspace, db, "bob")
    late = ana.next()
    assert bob.next().prompt == late.prompt, "it is offered to others"
    ana.judge(late, preferred="left")
    assert len(stored(db)) == 1
    over = ana.next()
    bob.judge(bob.next(), preferred="left")
    bob.judge(bob.next(), preferred="left")
    assert ana.take() is None, "others have judged all that is wanted"
    with pytest.raises(NotYours, match="the time of the task"):
        ana.judge(over, preferred="left")


def test_progress_counts_the_annotator_and_what_is_left(workspace: Workspace, db: Database) -> None:
    fill(workspace, 3, overlap=2)
    ana, bob = Desk(workspace, db), Desk(workspace, db, "bob")
    assert ana.progress() == (0, 0, 6, 3, False)
    ana.judge(ana.next(), preferred="left")
    assert ana.progress() == (1, 1, 5, 2, True)
    ana.next()
    assert ana.progress() == (1, 1, 5, 2, True), "what is held is still to be judged"
    assert bob.progress() == (0, 0, 5, 3, False)


def test_gold_items_and_repeats_are_mixed_in_and_look_like_others(workspace: Workspace, db: Database) -> None:
    fill(workspace, 40)
    gold(workspace, 10)
    desk = Desk(workspace, db, settings=LabelSettings(gold=0.1, repeats=0.1))
    shown = []
    while task := desk.take():
        shown.append(task)
        desk.judge(task, preferred="left")
    texts = [task.prompt[0].content for task in shown]
    golden = [text for text in texts if text.startswith("Gold")]
    repeated = [text for text, count in Counter(texts).items() if count > 1]
    assert 4 <= len(golden) == len(set(golden)) <= 6
    assert 2 <= len(repeated) <= 6
    assert len({text for text in texts if text.startswith("Question")}) == 40
    assert len({task.id for task in shown}) == len(shown)
    events = {status: [e for e in stored(db) if e.status == status] for status in ("active", "quarantined")}
    assert Counter(flag for event in events["quarantined"] for flag in event.flags) == {
        "gold": len(golden),
        "repeat": len(repeated),
    }
    assert len(events["active"]) == 40
    assert all(not event.flags for event in events["active"])


@pytest.mark.parametrize("settings", [LabelSettings(gold=0.2, repeats=0.2), LabelSettings(gold=0.5, repeats=0.5)])
def test_every_task_lowers_what_is_left_by_one_whatever_it_is(
    workspace: Workspace, db: Database, settings: LabelSettings
) -> None:
    fill(workspace, 30)
    gold(workspace, 3)
    desk = Desk(workspace, db, settings=settings)
    left = []
    while task := desk.take():
        left.append(desk.progress().left_for_you)
        desk.judge(task, preferred="left")
    assert {event.flags for event in stored(db)} == {(), ("gold",), ("repeat",)}
    assert left == list(range(len(left), 0, -1))
    assert desk.progress().left_for_you == 0


def test_somebody_who_is_forgotten_gets_nothing(workspace: Workspace, db: Database) -> None:
    fill(workspace, 1)
    tombstones.add(workspace, "ana", "op", "asked", (), ())
    desk = Desk(workspace, db)
    with pytest.raises(BadFeedback, match="forgotten"):
        desk.take()


def test_eight_people_at_once_give_each_item_as_many_judgements_as_it_wants(workspace: Workspace, db: Database) -> None:
    fill(workspace, 200, overlap=2)

    def work(name: str) -> int:
        desk, done = Desk(workspace, db, name), 0
        while task := desk.take():
            desk.judge(task, preferred="left")
            done += 1
        return done

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(work, [f"person-{number}" for number in range(8)]))
    events = stored(db)
    assert sum(done) == len(events) == 400
    by_item = Counter(event.prompt[0].content for event in events)
    assert set(by_item.values()) == {2}
    assert len({(event.prompt[0].content, event.annotator_id) for event in events}) == 400
