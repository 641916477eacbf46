"""A workspace in which a round is open, with pairs to vote on and a candidate to sign, and no model anywhere."""

from pathlib import Path

import yaml

from core.files import write_json, write_text
from feedback import pairs
from feedback.schema import Message, Response
from feedback.sources import AnswerPair
from tasks.state.workspace import Workspace

ANSWERS = (("Yes.", "No."), ("Maybe.", "Maybe."), ("Soon.", "On Monday."), ("Here.", "There."))
"""Left and right; the second pair has nothing to prefer."""


def opened(root: Path, at: str = "2026-11-21T08:00:00+00:00") -> Workspace:
    """Round 3 is open."""
    place = Workspace(root)
    inputs: dict[str, object] = {
        "number": 3,
        "parent": None,
        "seed": 7,
        "salt": "salt",
        "champion": None,
        "inbox": [],
        "params": {},
    }
    write_text(place.round, yaml.safe_dump(inputs))
    write_json(place.opened, {"at": at, "code": "0" * 16})
    pairs.write(place.pairs, [pair(index, *texts) for index, texts in enumerate(ANSWERS)])
    write_text(place.checkpoint("policy") / "weights", "the candidate's")
    return place


def pair(index: int, left: str, right: str) -> AnswerPair:
    """Two answers to a question."""
    name = f"votes-3-{index:05d}"
    sides = [
        Response(response_id=f"{name}-{side}", messages=(Message(role="assistant", content=text),), origin="model")
        for side, text in (("a", left), ("b", right))
    ]
    return AnswerPair(name, (Message(role="user", content=f"Question {index}?"),), (sides[0], sides[1]))
