"""A workspace in which a round is open, with pairs to vote on and a candidate to approve, without a model."""

from pathlib import Path

from core.files import write_text
from feedback import pairs
from feedback.schema import Message, Response
from feedback.sources import AnswerPair
from tasks.state.inputs import Base, Inputs
from tasks.state.opening_facts import OpeningFacts
from tasks.state.workspace import Workspace

ANSWERS = (("Yes.", "No."), ("Maybe.", "Maybe."), ("Soon.", "On Monday."), ("Here.", "There."))
"""Left and right; the answers of the second pair are equal."""


def opened(root: Path, at: str = "2026-11-21T08:00:00+00:00") -> Workspace:
    """Round 3 is open."""
    workspace = Workspace(root)
    base = Base(name="scratch", digest="scratch")
    inputs = Inputs(number=3, seed=7, salt="salt", base=base, code="0" * 16, feedback="", params={})
    write_text(workspace.round, inputs.to_yaml())
    OpeningFacts(request="", code="0" * 16, inputs="", at=at, commit=None, dirty=False).save(workspace.opened)
    pairs.write(workspace.pairs, [pair(index, *texts) for index, texts in enumerate(ANSWERS)])
    write_text(workspace.checkpoint("policy") / "weights", "the candidate's")
    return workspace


def pair(index: int, left: str, right: str) -> AnswerPair:
    """Two answers to a question."""
    name = f"votes-3-{index:05d}"
    sides = [
        Response(response_id=f"{name}-{side}", messages=(Message(role="assistant", content=text),), origin="model")
        for side, text in (("a", left), ("b", right))
    ]
    return AnswerPair(name, (Message(role="user", content=f"Question {index}?"),), (sides[0], sides[1]))
