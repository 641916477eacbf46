"""The answers of the server, as commands see them: what is removed of them, and which of their prompts may be used."""

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.errors import NotFound
from core.files import replacing
from feedback.forgotten import pseudonym
from tasks.state import feedback_database, tombstones
from tasks.state.workspace import Workspace


def expire(workspace: Workspace, days: float, write: bool) -> int:
    """Remove the answers that are older than so many days; returns their number. Without `write`, they are counted."""
    if not feedback_database.exists(workspace):
        return 0
    from feedback.store import answers

    before = datetime.now(UTC) - timedelta(days=days)
    with feedback_database.opened(workspace) as database:
        count = answers.expire(database, before, write)
        if write and count:
            database.compact()
    return count


def redact(workspace: Workspace, response_id: str) -> None:
    """Remove prompt, text and asker of one answer, and what labelling queues have of it.

    Feedback on it, which has its own copy, stays.

    Raises:
        NotFound: no such answer is stored.
    """
    from feedback.store import answers, label_queues

    if feedback_database.exists(workspace):
        with feedback_database.opened(workspace) as database:
            label_queues.erase(database, "response_id", response_id, write=True)
            if answers.redact(database, response_id):
                return
    raise NotFound(f"no answer {response_id!r} is stored; use the `response_id` that the server gave")


def write_prompts(workspace: Workspace, target: Path, consents: Collection[str]) -> int:
    """Write the distinct prompts whose askers gave one of these consents as JSON lines; returns their number.

    Prompts of forgotten askers are left out. The file is for the source `asked`.
    """
    lines = dict.fromkeys(_lines(workspace, consents))
    with replacing(target) as draft:
        draft.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)


def _lines(workspace: Workspace, consents: Collection[str]) -> list[str]:
    if not feedback_database.exists(workspace):
        return []
    from feedback.store import answers

    gone = tombstones.forgotten(workspace)
    with feedback_database.opened(workspace) as database:
        found = answers.consented(database, consents, datetime.now(UTC))
    kept = [answer for answer in found if pseudonym(answer.annotator) not in gone]
    return [
        json.dumps({"prompt": [turn.model_dump() for turn in answer.prompt]}, ensure_ascii=False) for answer in kept
    ]
