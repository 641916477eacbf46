"""Annotators at the label page, and what they are given."""

from typing import Any

from feedback import label_items
from feedback.labels import LabelJudgement, LabelKind, LabelTask
from feedback.schema import FeedbackEvent, Message, Response
from feedback.store import arrivals
from feedback.store.database import Database
from tasks.people import label_filling, labelling
from tasks.people.label_settings import LabelSettings
from tasks.state import identity
from tasks.state.workspace import Workspace

PLAIN = LabelSettings(gold=0, repeats=0)


def furnished(workspace: Workspace) -> Workspace:
    """With a params.yaml that sets nothing, and a salt: sides and the places of gold items are always the same."""
    workspace.params.write_text("")
    identity.made(workspace, "desk", "salt")
    return workspace


class Desk:
    """One annotator at the label page."""

    def __init__(
        self, workspace: Workspace, db: Database, annotator: str = "ana", settings: LabelSettings = PLAIN
    ) -> None:
        self.workspace, self.db, self.annotator, self.settings = workspace, db, annotator, settings

    def take(self) -> LabelTask | None:
        return labelling.take(self.workspace, self.db, self.settings, self.annotator)

    def next(self) -> LabelTask:
        task = self.take()
        assert task is not None
        return task

    def judge(self, task: LabelTask, **said: Any) -> labelling.JudgementReceipt:
        return labelling.judge(self.workspace, self.db, self.settings, self.annotator, task.id, LabelJudgement(**said))

    def undo(self) -> LabelTask:
        return labelling.undo(self.workspace, self.db, self.settings, self.annotator)

    def progress(self) -> labelling.AnnotatorProgress:
        return labelling.progress(self.workspace, self.db, self.settings, self.annotator)


def answers(*texts: str) -> list[Response]:
    return [
        Response(
            response_id=f"answer-{text}",
            messages=(Message(role="assistant", content=text),),
            origin="model",
            model="policy",
            model_version="7",
        )
        for text in texts
    ]


def fill(
    workspace: Workspace, count: int, kind: LabelKind = "comparison", overlap: int = 1, name: str = "desk"
) -> None:
    """Items on the questions 0, 1, …, with the answers Yes and No."""
    items = [
        item
        for number in range(count)
        for item in label_items.of_answers(
            kind,
            (Message(role="user", content=f"Question {number}?"),),
            answers("Yes.", "No.") if kind == "comparison" else answers("Yes."),
        )
    ]
    label_filling.add(workspace, name, items, overlap)


def gold(workspace: Workspace, count: int) -> None:
    records = [{"prompt": f"Gold {number}?", "chosen": "Good.", "rejected": "Bad."} for number in range(count)]
    label_filling.add(workspace, "desk", [label_items.of_gold(record) for record in records], 1, gold=True)


def stored(db: Database) -> list[FeedbackEvent]:
    return arrivals.waiting_events(db, [])


def side(task: LabelTask, text: str) -> str:
    return "left" if task.answers[0] == text else "right"
