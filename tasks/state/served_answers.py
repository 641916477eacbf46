"""The answers of the server, as commands see them: what is removed of them, and which of their prompts may be used."""

import json
from collections.abc import Collection
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import NotFound
from core.files import replacing
from feedback.forgotten import pseudonym
from feedback.schema import Prompt
from feedback.store.erasure import MIN_TEXT
from tasks.state import asked_files, feedback_database, tombstones
from tasks.state.asked_files import WrittenPrompt
from tasks.state.workspace import Workspace

if TYPE_CHECKING:
    from feedback.store.answers import ServedAnswer

_ROWS = 500
"""How many answers are looked up at a time."""


def expire(workspace: Workspace, before: datetime, write: bool) -> int:
    """Remove the answers from before a time, and what labelling queues have of them; returns the number of answers.

    Without `write`, they are counted.
    """
    if not feedback_database.exists(workspace):
        return 0
    from feedback.store import answers, label_queues

    with feedback_database.opened(workspace) as database:
        count = answers.expire(database, before, write)
        if write:
            label_queues.erase_expired(database)
            database.compact()
    return count


def kept(workspace: Workspace, names: Collection[str]) -> frozenset[str]:
    """Those of the response ids whose answers are stored with their texts."""
    if not feedback_database.exists(workspace):
        return frozenset()
    from feedback.store import answers

    found: set[str] = set()
    rest = iter(names)
    with feedback_database.opened(workspace) as database:
        while some := list(islice(rest, _ROWS)):
            stored = answers.find(database, some)
            found.update(name for name, answer in stored.items() if not answer.redacted)
    return frozenset(found)


def own_texts(workspace: Workspace, annotator: str) -> frozenset[str]:
    """The texts of prompts and answers that only this asker's answers have."""
    if not feedback_database.exists(workspace):
        return frozenset()
    from feedback.store import answers

    with feedback_database.opened(workspace) as database:
        return answers.own_texts(database, annotator)


def those_of_others(workspace: Workspace, texts: frozenset[str], annotator: str | None) -> frozenset[str]:
    """Those of the texts that stored answers to others than an asker have; None for all stored answers."""
    if not texts or not feedback_database.exists(workspace):
        return frozenset()
    from feedback.store import answers

    with feedback_database.opened(workspace) as database:
        return answers.those_of_others(database, texts, annotator)


def redact(workspace: Workspace, response_id: str) -> tuple[str, ...]:
    """Remove prompt, text and asker of an answer, and what labelling queues have of it.

    The other answers to the same request have the same prompt and asker: they are redacted with it. Feedback on them,
    which has its own copy, stays.

    Returns:
        the response ids of all that were redacted.

    Raises:
        NotFound: no such answer is stored.
    """
    from feedback.store import answers, label_queues

    if feedback_database.exists(workspace):
        with feedback_database.opened(workspace) as database:
            if redacted := answers.redact(database, response_id):
                for name in redacted:
                    label_queues.erase(database, "response_id", name, write=True)
                label_queues.erase_expired(database)  # those without an answer: demonstrations to be written
                database.compact()
                return redacted
    raise NotFound(f"no answer {response_id!r} is stored; use the `response_id` that the server gave")


def write_prompts(workspace: Workspace, target: Path, consents: Collection[str]) -> int:
    """Write the distinct prompts whose askers gave one of these consents as JSON lines; returns their number.

    Prompts of forgotten askers are left out. The file is for the source `asked`. Whose prompts it has is recorded
    first.
    """
    given = _consented(workspace, consents)
    asked_files.add(workspace, target, consents, {answer.response_id: _written(answer) for answer in given})
    lines = dict.fromkeys(map(_line, given))
    with replacing(target) as draft:
        draft.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)


def prompts(workspace: Workspace, consents: Collection[str]) -> list[Prompt]:
    """The same prompts, for a round that collects answers to them. Whose they are is recorded first.

    Raises:
        RoundsError: the database does not answer.
    """
    given = _consented(workspace, consents)
    asked_files.note(workspace, {answer.response_id: _written(answer) for answer in given})
    return list({_line(answer): answer.prompt for answer in given}.values())


def _consented(workspace: Workspace, consents: Collection[str]) -> "list[ServedAnswer]":
    if not feedback_database.exists(workspace):
        return []
    from feedback.store import answers

    gone = tombstones.forgotten(workspace)
    with feedback_database.opened(workspace) as database:
        found = answers.consented(database, consents, datetime.now(UTC))
    return [answer for answer in found if pseudonym(answer.annotator) not in gone]


def _written(answer: "ServedAnswer") -> WrittenPrompt:
    """System prompts are the application's, and texts that are too short for a person's stay in any case."""
    own = (turn.content for turn in answer.prompt if turn.role != "system" and len(turn.content) >= MIN_TEXT)
    return WrittenPrompt.of(answer.annotator, own)


def _line(answer: "ServedAnswer") -> str:
    return json.dumps({"prompt": [turn.model_dump() for turn in answer.prompt]}, ensure_ascii=False)
