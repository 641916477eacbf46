"""Removing answers of the server by age, or one by one: from the feedback database, and as traces from MLflow.

The database comes first: a server that is writing a trace of an answer asks it afterwards whether the answer is kept.
"""

from datetime import UTC, datetime, timedelta

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


def redact(workspace: Workspace, response_id: str) -> None:
    """Remove prompt, text and asker of one answer, and its trace; feedback on it, which has its own copy, stays.

    Raises:
        NotFound: no such answer is stored.
        RoundsError: the database or MLflow does not answer; repeated, it continues.
    """
    served_answers.redact(workspace, response_id)
    traces.remove(workspace.root, traces.RESPONSE, response_id, write=True)
    traces.compact(workspace.root)


def left_in_files(workspace: Workspace) -> list[str]:
    """The files of `rounds feedback asked` that have prompts of answers that were removed, one sentence each."""
    known = {name for file in asked_files.read(workspace) for name in file.answers}
    kept = served_answers.kept(workspace, known) if known else frozenset[str]()
    return [prompts.sentence for prompts in asked_files.without(workspace, kept)]
