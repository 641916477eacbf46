"""Is the audit log whole: every line as it was written, none missing, none moved."""

from pathlib import Path

from rich.console import Console

from core.errors import RoundsError
from tasks import audit
from tasks.workspace import current


class Damaged(RoundsError):
    """The audit log is not as it was written."""


def verify_audit(folder: Path | None) -> None:
    """Check the chain of the audit log and say how many lines it has.

    Raises:
        Damaged: a line was edited, removed or moved; names each place.
    """
    path = current(folder).audit
    problems = audit.verify(path)
    if problems:
        cure = "restore the file and its .head from a backup; MLflow's experiment `promotions` knows each move as well"
        raise Damaged("\n".join([*problems, cure]))
    Console().print(f"{path}: {len(audit.read(path))} lines, each as it was written.", soft_wrap=True)
