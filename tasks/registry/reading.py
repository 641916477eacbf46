"""Versions and the copy of the audit log, read without MLflow's client, for `rounds doctor`."""

from datetime import UTC, datetime
from functools import cached_property

from tasks.registry import mirror
from tasks.registry.mirror import Mirrored
from tasks.registry.versions import ModelVersion
from tasks.state.workspace import Workspace
from tasks.tools import mlflow_reading
from tasks.tools.mlflow_reading import RegistryEntry

_UNKNOWN = datetime.fromtimestamp(0, UTC)


def version_of(name: str, entry: RegistryEntry) -> ModelVersion | None:
    """The version of a model; None if no round registered it. The time of its creation is not read."""
    if "round_key" not in entry.tags:
        return None
    return ModelVersion.of(name, entry.version, entry.run_id, entry.tags, _UNKNOWN)


class MirrorReading:
    """The copy of the audit log in MLflow; see `tasks.registry.mirror.Mirror`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    @cached_property
    def mirrored(self) -> Mirrored:
        """The facts of all lines, read once.

        Raises:
            Unreadable: MLflow cannot be read.
        """
        return mirror.facts(self._workspace, mirror.lines_in(mlflow_reading.audit_runs(self._workspace)))
