"""Versions and the copy of the audit log, read without MLflow's client, which takes seconds to import."""

from datetime import UTC, datetime
from functools import cached_property

from tasks.registry import mirror
from tasks.registry.mirror import Mirrored, MirroredLine
from tasks.registry.versions import ModelVersion
from tasks.state import identity
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
        return mirror.facts(self._workspace, self.lines)

    @cached_property
    def lines(self) -> list[MirroredLine]:
        """The lines of all workspaces, read once.

        Raises:
            Unreadable: MLflow cannot be read.
        """
        return mirror.lines_in(mlflow_reading.audit_runs(self._workspace))

    def own(self) -> list[MirroredLine]:
        """The lines of this workspace.

        Raises:
            Unreadable: MLflow cannot be read.
            RoundsError: the identity of the workspace cannot be read.
        """
        own = identity.read(self._workspace)
        return [line for line in self.lines if own and line.workspace == own.id]

    def is_signed(self) -> bool:
        """True if a trusted key signed the newest line of this workspace, and with it all before it; see `own`."""
        own = self.own()
        return bool(own) and own[-1] in mirror.attested(own, mirror.readable_keys(self._workspace))

    def ahead(self) -> list[MirroredLine]:
        """The lines of this workspace that its log lacks and nobody accepted; see `own`."""
        return mirror.lacking(self._workspace, self.own())
