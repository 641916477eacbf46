"""Stored base models and the imported adapter: whether their files are all there."""

from collections.abc import Iterator

from core.errors import RoundsError
from tasks.doctor.diagnosis import Diagnosis, error, note, path, warning
from tasks.state import bases, imports
from tasks.state import round as rounds
from tasks.state.workspace import Workspace


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """Bases with missing or cut files; what the last round needs and the workspace does not have."""
    try:
        stored = bases.every(workspace)
    except RoundsError as problem:
        yield error(str(problem))
        return
    for record in stored:
        if lost := bases.fault(workspace, record):
            home = workspace.base(record.digest)
            yield error(
                f"{home / lost} is missing or has another size than when the base model {record.label}, from "
                f"{record.source}, was stored; without the folder, the next round fetches a registered base again",
                f"rm -r -- {path(home)}",
            )
    yield from _last_round(workspace)


def _last_round(workspace: Workspace) -> Iterator[Diagnosis]:
    try:
        base = rounds.inputs(workspace).base
    except RoundsError:  # no round yet, or a damaged one: another check
        return
    has_files = bases.is_digest(base.digest) and base.digest != base.name
    if has_files and not workspace.base(base.digest).is_dir():
        yield note(f"the base model of the last round, {base.name}, is not stored here; the next round fetches it")
    if imports.needed(base) and not imports.present(workspace, base):
        yield warning(
            f"{workspace.imported(str(base.imported))} is missing or was changed; the next round fetches the imported "
            "adapter from the registry"
        )
