"""Removing answers of the server by age, or one by one: from the feedback database, and as traces from MLflow.

The database comes first: a server that is writing a trace of an answer asks it afterwards whether the answer is kept.
"""

from datetime import UTC, datetime, timedelta

from tasks.history import collected_prompts
from tasks.state import asked_files, served_answers
from tasks.state.workspace import Workspace
from tasks.tools import traces


def expire(workspace: Workspace, days: float, write: bool) -> int:
    """Remove the answers that are older than so many days; returns their number. Without `write`, they are counted.

    Raises:
        RoundsError: the database or MLflow does not answer; repeated, it continues.
    """
    before = datetime.now(UTC) - timedelta(days=days)
    count = served_answers.expire(workspace, before, write)
    if write:
        traces.expire(workspace.root, before, write)
        traces.compact(workspace.root)
    return count


def redact(workspace: Workspace, response_id: str) -> int:
    """Remove prompt, text and asker of all answers to the request of an answer, and their traces.

    Feedback on them, which has its own copy, stays.

    Returns:
        their number.

    Raises:
        NotFound: no such answer is stored.
        RoundsError: the database or MLflow does not answer; repeated, it continues.
    """
    redacted = served_answers.redact(workspace, response_id)
    for name in redacted:
        traces.remove(workspace.root, traces.RESPONSE, name, write=True)
    traces.compact(workspace.root)
    return len(redacted)


def clear_prompts(workspace: Workspace) -> list[str]:
    """Remove what rounds collected of prompts of answers that were removed; returns what was done and what is left.

    Left are the files of `rounds feedback asked` that have such prompts, one sentence each.

    Raises:
        RoundsError: the database does not answer; repeated, it continues.
    """
    removed = collected_prompts.remove(workspace)
    known = {name for file in asked_files.read(workspace) for name in file.answers}
    kept = served_answers.kept(workspace, known) if known else frozenset[str]()
    return [*removed.sentences, *(prompts.sentence for prompts in asked_files.without(workspace, kept))]
