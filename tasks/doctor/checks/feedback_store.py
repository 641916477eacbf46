"""The feedback database answers and is this workspace's, and few records are in quarantine."""

from collections.abc import Iterator

import pyarrow as pa

from core.errors import RoundsError
from feedback import store
from tasks.doctor.diagnosis import Diagnosis, error, note, warning
from tasks.state import feedback_database, identity, records
from tasks.state.workspace import Workspace

MANY, LEAST = 0.1, 50
"""Share of a round's records in quarantine that is worth knowing, of at least this many."""


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """State of the database; quarantine of the last round."""
    yield from _database(workspace)
    try:
        yield from _quarantine(workspace)
    except (pa.ArrowInvalid, OSError) as problem:
        reason = str(problem).partition("\n")[0]
        yield error(f"the feedback store {workspace.feedback} cannot be read ({reason}); restore it from a backup")


def _database(workspace: Workspace) -> Iterator[Diagnosis]:
    if not feedback_database.exists(workspace):
        return
    try:
        state = feedback_database.state(workspace)
    except RoundsError as problem:
        yield error(str(problem))
        return
    own = identity.read(workspace)
    if state.owner and own and state.owner != own.id:
        yield error(
            f"the feedback database belongs to the workspace with the id {state.owner}, and this one is {own.id}; give "
            "each workspace a database of its own"
        )
    if state.problem:
        yield error(f"the feedback database is damaged ({state.problem}); restore it from a backup")
    elif not state.current:
        yield note("the feedback database is of an earlier version of rounds; it is migrated when it is used next")


def _quarantine(workspace: Workspace) -> Iterator[Diagnosis]:
    last = max(records.numbers(workspace), default=None)
    if last is None:
        return
    bad, good = len(store.rejections(workspace.feedback, last)), store.count(workspace.feedback, last)
    if bad + good >= LEAST and bad > MANY * (bad + good):
        folder = store.quarantine_folder(workspace.feedback)
        yield warning(f"{bad} of {bad + good} records of round {last} could not be used; the reasons are in {folder}")
