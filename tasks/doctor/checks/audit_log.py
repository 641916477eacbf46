"""The audit log is complete and unaltered, and has every promotion that the records name."""

from collections.abc import Iterator

from tasks.doctor.diagnosis import Diagnosis, error, note
from tasks.registry import audit
from tasks.state.workspace import Workspace


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """Damaged, missing and half-written lines."""
    # records, log and registry are compared by the champion check; a deeper comparison of all three belongs here
    for problem in [*audit.verify(workspace.audit), *audit.missing(workspace)]:
        yield error(f"{problem}; restore the log and its .head file from a backup")
    torn = workspace.audit.with_name(f"{workspace.audit.name}.torn")
    if torn.exists():
        yield note(f"{torn} has a line that a killed process did not finish; the log itself is complete")
