"""Is the audit log whole: every line as it was written, none missing, none moved."""

from pathlib import Path

from rich.console import Console

from core.errors import Damaged
from tasks.registry import audit
from tasks.state.workspace import current


def verify_audit(folder: Path | None) -> None:
    """Check the chain of the audit log and say how many lines it has.

    Raises:
        Damaged: a line was edited, removed or moved; names each place.
    """
    workspace = current(folder)
    path = workspace.audit
    problems = audit.verify(path) + audit.missing(workspace)
    if problems:
        cure = "restore the file and its .head from a backup; MLflow's experiment `promotions` knows each move as well"
        raise Damaged("\n".join([*problems, cure]))
    lines = len(audit.read(path))
    said = f"{lines} lines, each as it was written" if lines else "no line so far, and no round that promoted"
    Console().print(f"{path}: {said}.", soft_wrap=True)
