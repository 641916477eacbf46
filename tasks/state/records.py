"""The record of each finished round: what a round answers when it is asked for again."""

from contextlib import suppress
from pathlib import Path

import yaml

from core.errors import Damaged
from tasks.state import round as rounds
from tasks.state.record import RoundRecord
from tasks.state.reports import Numbers
from tasks.state.workspace import Workspace


def path(workspace: Workspace, number: int) -> Path:
    """Where the record of a round lies. It exists exactly where the round is finished."""
    return workspace.record(number)


def unfinished(workspace: Workspace) -> bool:
    """True where a round was opened and has no record yet."""
    return workspace.round.exists() and not path(workspace, rounds.read(workspace).number).exists()


def coming(workspace: Workspace) -> int:
    """The number of the round that is open, or else of the next one, as far as this workspace knows."""
    with suppress(Damaged):
        if unfinished(workspace):
            return rounds.read(workspace).number
    return max(numbers(workspace), default=-1) + 1


def numbers(workspace: Workspace) -> list[int]:
    """The finished rounds, in order."""
    return sorted(int(file.stem) for file in workspace.rounds.glob("[0-9]*.json"))


def write(workspace: Workspace, record: RoundRecord) -> None:
    """Finish a round: its inputs and results, written whole."""
    record.save(path(workspace, record.number))


def read(workspace: Workspace, number: int) -> RoundRecord:
    """The record of a finished round.

    Raises:
        Damaged: it is not whole.
        BadWorkspace: a later version wrote it.
    """
    try:
        return RoundRecord.load(path(workspace, number))
    except Damaged as error:
        cure = "bring it back from a backup; the record of the last round is written anew where it is removed, by "
        raise Damaged(f"{error}; {cure}`rounds round`") from error


def last(workspace: Workspace) -> RoundRecord | None:
    """The record of the round that finished last."""
    finished = numbers(workspace)
    return read(workspace, finished[-1]) if finished else None


def key(workspace: Workspace, number: int) -> str | None:
    """The key of a finished round, None where there is no such record."""
    return read(workspace, number).key if path(workspace, number).exists() else None


def keys(workspace: Workspace) -> set[str]:
    """The keys of all rounds of this workspace, of one that is open as well."""
    found = {read(workspace, number).key for number in numbers(workspace)}
    with suppress(Damaged, FileNotFoundError, yaml.YAMLError):
        found.add(rounds.key(workspace, rounds.circumstances(workspace).code))
    return found


def metrics(workspace: Workspace, number: int) -> Numbers:
    """The numbers of a finished round; empty where its record is not in this workspace."""
    return read(workspace, number).metrics if path(workspace, number).exists() else {}


def inputs(workspace: Workspace, number: int) -> str:
    """round.yaml of a finished round."""
    return read(workspace, number).inputs.to_yaml()
