"""A scripted annotator that votes in the files of `rounds votes pull` and `push`."""

import json
from pathlib import Path

PEOPLE = "vote.annotator={use: people, votes: 10}"
"""Settings: the round waits for ten votes."""


def voted(pulled: Path, into: Path, annotator: str, limit: int | None = None) -> Path:
    """Vote for the shorter answer of each pair (tie if equally long), by editing the file as a person would."""
    lines = pulled.read_text(encoding="utf-8").splitlines()[:limit]
    into.write_text("".join(json.dumps(vote(json.loads(line), annotator)) + "\n" for line in lines), encoding="utf-8")
    return into


def vote(record: dict[str, object], annotator: str, ranks: tuple[int, int] | None = None) -> dict[str, object]:
    """A pulled pair with a judgement added."""
    if ranks is None:
        left, right = (len(json.dumps(answer)) for answer in record["responses"])  # type: ignore[attr-defined]  # a list
        ranks = (1, 1 + (left < right)) if left <= right else (2, 1)
    judgement: dict[str, object] = {"outcome": "tie"} if ranks == (1, 1) else {"ranks": list(ranks)}
    return record | {"judgements": [judgement], "annotator_id": annotator, "consent": "opt-in"}
