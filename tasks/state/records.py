"""The records of finished rounds, and where they are stored."""

from contextlib import suppress
from pathlib import Path

import yaml

from core.errors import BadWorkspace, Damaged
from core.stored import Json, Stored, Value
from evaluation.verdict import Verdict
from tasks.state import round as rounds
from tasks.state.cost import RoundCost
from tasks.state.inputs import Inputs
from tasks.state.opening_facts import OpeningFacts
from tasks.state.reports import Example, Numbers, Seconds
from tasks.state.workspace import Workspace


class RecordedVersion(Value):
    """A version that the round registered."""

    model: str
    version: str
    digest: str
    """SHA-256 of the local folder that was registered, see `core.files.digest`."""


class RoundRecord(Stored):
    """The inputs and results of a finished round. Requesting the same round again returns it."""

    number: int
    key: str
    parent: str | None
    """Key of the previous round."""
    finished: str
    """UTC time, ISO 8601."""
    opened: OpeningFacts
    experiment: str
    """Id of the MLflow experiment."""
    run_id: str
    """Id of the round's MLflow run."""
    version: str
    """Version of the registered policy."""
    verdict: Verdict
    batch: str | None = None
    """Id of the set of pairs that was voted on; None in round 0 and in older records that lack it."""
    new_feedback: int
    """Number of feedback events that the round ingested."""
    metrics: Numbers
    """By step and name: `evaluate/win_rate`."""
    times: dict[str, Seconds]
    """By step; skipped steps are missing."""
    examples: tuple[Example, ...]
    inputs: Inputs
    registered: tuple[RecordedVersion, ...] = ()
    """The policy, and the reward model if the round has one; empty in older records that lack it."""
    cost: RoundCost | None = None
    """What the round used; None in older records that lack it."""

    def to_json(self) -> Json:
        """The fields as JSON values; a record without `registered` or `cost` is written as it was read."""
        values = super().to_json()
        for name in ("registered", "cost"):
            if not values[name]:
                del values[name]
        return values


def path(workspace: Workspace, number: int) -> Path:
    """The path of a round's record. The file exists if and only if the round is finished."""
    return workspace.record(number)


def unfinished(workspace: Workspace) -> bool:
    """True if a round was opened and has no record yet."""
    return workspace.round.exists() and not path(workspace, rounds.read(workspace).number).exists()


def check_code(workspace: Workspace) -> None:
    """Check that this code opened the last round; steps of other code would mix the results of two versions.

    Raises:
        BadWorkspace: other code opened it.
        NotFound: no round has been opened.
        Damaged: round.yaml, opened.json or the record of the round is incomplete or invalid.
    """
    number, is_open = rounds.read(workspace).number, unfinished(workspace)
    facts = rounds.circumstances(workspace) if is_open else read(workspace, number).opened
    if facts.code == rounds.code_digest():
        return
    origin = rounds.checkout_hint(facts.commit, facts.dirty)
    if is_open:
        raise BadWorkspace(
            f"round {number} is open, and was opened by other code; {origin}. Finish the round with that code, "
            "or discard its results and open it again with this code: `rounds round --reopen`"
        )
    raise BadWorkspace(
        f"round {number} of {workspace.root} was run by other code (digest {facts.code}, now {rounds.code_digest()}); "
        f"{origin}. Run its steps with that code, or start the next round with this code: `rounds round`"
    )


def coming(workspace: Workspace) -> int:
    """The number of the open round, or of the next one if none is open, judged by the records of this workspace."""
    with suppress(Damaged):
        if unfinished(workspace):
            return rounds.read(workspace).number
    return max(numbers(workspace), default=-1) + 1


def numbers(workspace: Workspace) -> list[int]:
    """The numbers of the finished rounds, ascending."""
    return sorted(int(file.stem) for file in workspace.rounds.glob("[0-9]*.json"))


def write(workspace: Workspace, record: RoundRecord) -> None:
    """Write the record of a round, atomically. This marks the round as finished."""
    record.save(path(workspace, record.number))


def read(workspace: Workspace, number: int) -> RoundRecord:
    """The record of a finished round.

    Raises:
        Damaged: it is incomplete or invalid.
        BadWorkspace: a later version wrote it.
    """
    try:
        return RoundRecord.load(path(workspace, number))
    except Damaged as error:
        cure = "or, to write the record of the last round anew, remove the file and run "
        raise Damaged(f"{error}, {cure}`rounds round`") from error


def last(workspace: Workspace) -> RoundRecord | None:
    """The record of the round that finished last; None if none has."""
    finished = numbers(workspace)
    return read(workspace, finished[-1]) if finished else None


def key(workspace: Workspace, number: int) -> str | None:
    """The key of a finished round; None if this workspace has no such record."""
    return read(workspace, number).key if path(workspace, number).exists() else None


def keys(workspace: Workspace) -> set[str]:
    """The keys of all rounds of this workspace, including an open one."""
    keys = {read(workspace, number).key for number in numbers(workspace)}
    opened = opened_key(workspace)
    return keys if opened is None else keys | {opened}


def opened_key(workspace: Workspace) -> str | None:
    """The key of the round that was opened last, finished or not; None if none was, or its files cannot be read."""
    with suppress(Damaged, FileNotFoundError, UnicodeDecodeError, yaml.YAMLError):
        return rounds.key(workspace, rounds.circumstances(workspace).code)
    return None


def metrics(workspace: Workspace, number: int) -> Numbers:
    """The metrics of a finished round; empty if this workspace has no such record."""
    return read(workspace, number).metrics if path(workspace, number).exists() else {}


def inputs(workspace: Workspace, number: int) -> str:
    """round.yaml of a finished round."""
    return read(workspace, number).inputs.to_yaml()
