"""Is the audit log whole: every line as it was written, none missing, none moved."""

from pathlib import Path

from rich.console import Console

from core.errors import RoundsError
from tasks.registry import audit
from tasks.state import records
from tasks.state.workspace import Workspace, current


class Damaged(RoundsError):
    """The audit log is not as it was written."""


def verify_audit(folder: Path | None) -> None:
    """Check the chain of the audit log and say how many lines it has.

    Raises:
        Damaged: a line was edited, removed or moved; names each place.
    """
    place = current(folder)
    path = place.audit
    problems = audit.verify(path) + _unlogged(place)
    if problems:
        cure = "restore the file and its .head from a backup; MLflow's experiment `promotions` knows each move as well"
        raise Damaged("\n".join([*problems, cure]))
    lines = len(audit.read(path))
    said = f"{lines} lines, each as it was written" if lines else "no line so far, and no round that promoted"
    Console().print(f"{path}: {said}.", soft_wrap=True)


def _unlogged(place: Workspace) -> list[str]:
    """Promotions on record of which the log says nothing: lines were removed, and the side file with them."""
    logged = {entry.facts.get("now") for entry in audit.read(place.audit)}
    rounds = [records.read(place, number) for number in records.numbers(place)]
    promoted = [record for record in rounds if record["verdict"]["result"] == "promote"]
    return [
        f"{place.audit}: no line tells how version {record['version']} of round {record['number']} became champion"
        for record in promoted
        if record["version"] not in logged
    ]
