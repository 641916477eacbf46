"""dvc.yaml is the one that ships, and dvc.lock can be read."""

from collections.abc import Iterator

from core.errors import BadWorkspace
from tasks.doctor.diagnosis import Diagnosis, error, path
from tasks.state import graph
from tasks.state.workspace import PROJECT, Workspace
from tasks.tools.versioning import stages


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """An edited or missing dvc.yaml; a damaged dvc.lock."""
    shipped = Workspace(PROJECT).graph
    if not workspace.graph.exists():
        yield error(f"{workspace.graph} is missing", f"cp {path(shipped)} {path(workspace.graph)}")
    else:
        try:
            graph.current(workspace)
        except BadWorkspace:
            command = f"cp --backup=numbered {path(shipped)} {path(workspace.graph)}"
            yield error(f"{workspace.graph} was edited: it matches no version that shipped", command)
    try:
        stages(workspace.recorded)
    except BadWorkspace as problem:
        yield error(str(problem), f"mv {path(workspace.recorded)} {path(workspace.recorded)}.damaged")
