"""Items of a labelling queue for the label page."""

import hashlib
import json
from pathlib import Path
from typing import Any

from feedback import label_items
from feedback.labels import LabelKind
from feedback.schema import Message, Response
from tasks.people import label_filling
from tasks.people.label_settings import LabelSettings
from tasks.state import feedback_database
from tasks.state.workspace import Workspace

PLAIN = LabelSettings(gold=0, repeats=0)


def bare(folder: Path) -> Workspace:
    """A workspace without rounds."""
    workspace = Workspace(folder)
    workspace.params.write_text("")
    workspace.graph.write_text("stages: {}\n")
    return workspace


def response(text: str) -> Response:
    """An answer."""
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    return Response(response_id=name, messages=(Message(role="assistant", content=text),))


def fill(
    workspace: Workspace, count: int, kind: LabelKind = "comparison", overlap: int = 1, queue: str = "first"
) -> None:
    """Add items: prompt N with the answers `short N` and `long N`."""
    for number in range(count):
        texts = (f"A short answer {number}.", f"A long answer {number}, which has **more** to say.")
        add(
            workspace,
            f"Question {number}?",
            *texts[: 2 if kind == "comparison" else 1],
            kind=kind,
            overlap=overlap,
            queue=queue,
        )


def add(
    workspace: Workspace,
    prompt: str,
    *answers: str,
    kind: LabelKind = "comparison",
    overlap: int = 1,
    queue: str = "first",
) -> None:
    """Add the items of one prompt."""
    turns = (Message(role="user", content=prompt),)
    made = label_items.of_answers(kind, turns, [*map(response, answers)])
    label_filling.add(workspace, queue, made, overlap)


def said(workspace: Workspace) -> list[dict[str, Any]]:
    """Every event that was stored, in order of arrival."""
    with feedback_database.opened(workspace) as database:
        rows = database.read(
            lambda connection: connection.exec_driver_sql("select event from feedback_events order by arrival").all()
        )
    return [json.loads(row[0]) for row in rows]
