"""An unfinished round: what it waits for, and how it goes on."""

from collections.abc import Iterator

from core.errors import BadWorkspace, Damaged
from core.files import digest
from tasks.doctor.diagnosis import Diagnosis, error, note, rounds, warning
from tasks.people.pending import pending
from tasks.state import records
from tasks.state import round as opened
from tasks.state.lock import holder
from tasks.state.workspace import Workspace


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """A round that is open: of other code, damaged, waiting, past its deadline, or interrupted."""
    yield from _records(workspace)
    try:
        if not records.unfinished(workspace) or holder(workspace.lock):
            return
        facts = opened.circumstances(workspace)
        records.check_code(workspace)
    except Damaged as problem:
        yield error(str(problem), rounds(workspace, "round --reopen"))
    except BadWorkspace as problem:
        yield warning(str(problem), rounds(workspace, "round --reopen"))
    else:
        changed = facts.inputs != digest(workspace.round)
        yield _changed(workspace) if changed else _state(workspace, facts.at)


def _changed(workspace: Workspace) -> Diagnosis:
    return error(f"{workspace.round} was changed after its round was opened", rounds(workspace, "round --reopen"))


def _state(workspace: Workspace, at: str) -> Diagnosis:
    waits = pending(workspace)
    if waits is None:
        number = records.coming(workspace)
        return note(f"round {number}, opened at {at}, was interrupted", rounds(workspace, "round"))
    if waits.wait.past:
        return warning(waits.summary, rounds(workspace, "round"))
    return note(waits.summary, rounds(workspace, "round") if waits.ready else None)


def _records(workspace: Workspace) -> Iterator[Diagnosis]:
    """Records that cannot be read, and numbers that are missing between them."""
    numbers = records.numbers(workspace)
    for number in numbers:
        try:
            records.read(workspace, number)
        except BadWorkspace as problem:
            yield error(str(problem))
    missing = sorted(set(range(max(numbers, default=-1) + 1)) - set(numbers))
    if missing:
        yield note(f"there is no record of round {', '.join(map(str, missing))}")
