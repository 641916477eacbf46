"""The workspace is no copy of one that may still be in use: both would continue one line of models."""

from collections.abc import Iterator
from shlex import quote

from tasks.doctor.diagnosis import Diagnosis, error
from tasks.state.line import ModelLine, line_record
from tasks.state.workspace import Workspace
from tasks.tools import lines, mlflow_reading, tracking


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """A copy on a server; one with a database of its own has copied that too.

    Raises:
        Unreadable: MLflow cannot be read.
    """
    record = line_record(workspace)
    if record is None or tracking.is_local(workspace.root):
        return
    tags = mlflow_reading.line_tags(workspace)
    if reason := lines.listed_elsewhere(tags, workspace, ModelLine(record.line)):
        yield error(reason, f"rounds adopt {quote(record.line)} -w {quote(str(workspace.root))}")
