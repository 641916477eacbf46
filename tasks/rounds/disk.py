"""How much of the disk a round may fill."""

import shutil
from pathlib import Path

from tasks.state.workspace import Workspace


def room(workspace: Workspace) -> int:
    """Bytes that are free, and those of the models and training state of the last round, which this one replaces."""
    folder = workspace.root.resolve()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())  # a first round makes the workspace
    return shutil.disk_usage(nearest).free + _size(workspace.checkpoints) + _size(workspace.training)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
