"""An annotator takes judgements back, and judges their tasks again."""

import pytest

from feedback.labels import LabelKind
from feedback.store.database import Database
from feedback.votes import effective
from tasks.people.labelling import NothingToUndo
from tasks.state.workspace import Workspace
from tests.tasks.people.desk import Desk, fill, side, stored


def test_a_judgement_that_is_taken_back_is_superseded_and_its_task_comes_again(
    workspace: Workspace, db: Database
) -> None:
    fill(workspace, 2)
    desk = Desk(workspace, db)
    with pytest.raises(NothingToUndo):
        desk.undo()
    task = desk.next()
    desk.judge(task, preferred=side(task, "Yes."), correction="Yes!", corrected=side(task, "Yes."))
    other = desk.next()
    again = desk.undo()
    assert (again.id, again.answers) == (task.id, task.answers)
    assert desk.next().id == task.id, "also after a reload"
    assert [event.judgements[0].outcome for event in effective(stored(db))] == ["skip", "skip"]
    desk.judge(again, preferred=side(task, "No."))
    assert desk.next().id == other.id
    first, edit, *withdrawn, last = stored(db)
    assert [event.supersedes for event in withdrawn] == [first.feedback_id, edit.feedback_id]
    assert last.supersedes == withdrawn[0].feedback_id
    assert last.judgements[0].ranks == (2, 1)
    assert desk.judge(again, preferred=side(task, "No.")).repeated


@pytest.mark.parametrize("kind", ["binary", "correction", "demonstration"])
def test_what_is_taken_back_trains_nothing(workspace: Workspace, db: Database, kind: LabelKind) -> None:
    said = {"binary": {"thumb": "up"}, "correction": {"correction": "Yes!"}, "demonstration": {"demonstration": "Ja."}}
    fill(workspace, 1, kind)
    desk = Desk(workspace, db)
    desk.judge(desk.next(), **said[kind])
    desk.undo()
    [left] = effective(stored(db))
    assert (left.kind, left.judgements[0].outcome, left.judgements[0].scores) == ("label", "skip", None)
    desk.judge(desk.next(), **said[kind])
    assert [event.kind for event in effective(stored(db))] == [kind]


def test_a_skip_is_taken_back_without_another_event(workspace: Workspace, db: Database) -> None:
    fill(workspace, 1)
    desk = Desk(workspace, db)
    desk.judge(desk.next(), outcome="skip")
    task = desk.undo()
    assert len(stored(db)) == 1
    desk.judge(task, preferred="left")
    skip, judged = stored(db)
    assert judged.supersedes == skip.feedback_id


def test_a_demonstration_can_be_skipped_and_nothing_is_stored(workspace: Workspace, db: Database) -> None:
    fill(workspace, 1, "demonstration")
    desk = Desk(workspace, db)
    task = desk.next()
    assert desk.judge(task, outcome="skip") == (None, False, False)
    assert desk.judge(task, outcome="skip").repeated
    assert stored(db) == []
    desk.judge(desk.undo(), demonstration="Ja.")
    assert stored(db)[0].supersedes is None
