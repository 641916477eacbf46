"""DVC can read its settings, and the remote that rounds push to is there and answers."""

import sys
from collections.abc import Iterator
from pathlib import Path

from core.errors import BadParams
from core.settings import read, section
from tasks.doctor.diagnosis import Diagnosis, error, note, path
from tasks.state.workspace import PROJECT, Workspace
from tasks.tools.remotes import DvcSettings
from tasks.tools.versioning import VersioningSettings

PATIENCE = 5.0
"""Seconds to wait for a remote."""


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """DVC's settings, the remote, its driver and the place of the cache.

    Raises:
        BadWorkspace: DVC's settings cannot be read, or the remote is not configured.
    """
    config = workspace.root / ".dvc/config"
    if not config.exists():
        yield error(f"{config} is missing", f"cp {path(Workspace(PROJECT).root / '.dvc/config')} {path(config)}")
        return
    settings = DvcSettings(workspace.root)
    yield from _cache(workspace, settings.cache)
    try:
        knobs = section(VersioningSettings, read(workspace.params), "versioning", workspace.params)
    except BadParams:
        return  # the check of params.yaml reports it
    name = settings.configured(knobs.remote)
    if name is None:
        return
    state = settings.state(name, PATIENCE, pushing=False)
    if state.driver:
        pip = f"{path(Path(sys.executable))} -m pip install {state.driver}"
        yield error(f"the DVC remote {state.name} ({state.url}) needs a driver that is not installed", pip)
    elif state.problem:
        yield error(
            f"the DVC remote {state.name} ({state.url}) cannot be used: {state.problem}; correct its address with "
            f"`dvc remote modify {state.name} url URL`"
        )


def _cache(workspace: Workspace, folder: Path) -> Iterator[Diagnosis]:
    if not folder.resolve().is_relative_to(workspace.root.resolve()):
        yield note(f"the DVC cache is outside the workspace, at {folder}: a backup does not have it")
        if not folder.parent.is_dir():
            yield error(
                f"the disk of the DVC cache {folder} is not there",
                f"dvc --cd {path(workspace.root)} config --unset cache.dir",
            )
