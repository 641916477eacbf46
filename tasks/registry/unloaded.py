"""What log, records and registry disagree on, found without importing MLflow, which takes seconds."""

from tasks.registry import consistency
from tasks.registry.consistency import Disagreement, RegistryState
from tasks.registry.reading import MirrorReading, version_of
from tasks.state.workspace import Workspace
from tasks.tools import mlflow_reading


def differences(workspace: Workspace) -> list[Disagreement]:
    """As `consistency.inspect`, but for what only MLflow's journal and the logs of other workspaces can show.

    Raises:
        Unreadable: MLflow cannot be read.
        Damaged: a record or the audit log's side file cannot be read.
    """
    state = registry_state(workspace)
    return consistency.compare(consistency.recorded(workspace, MirrorReading(workspace).ahead()), state)


def registry_state(workspace: Workspace) -> RegistryState:
    """What the registry has.

    Raises:
        Unreadable: MLflow cannot be read.
    """
    models = {name: mlflow_reading.registered(workspace, name) for name in ("policy", "reward")}
    versions = [version_of(name, each) for name, model in models.items() for each in model.versions]
    return RegistryState(tuple(version for version in versions if version), models["policy"].alias)
