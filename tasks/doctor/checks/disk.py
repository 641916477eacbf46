"""There is room for another round."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from tasks.doctor.diagnosis import Diagnosis, error, rounds, warning
from tasks.state.workspace import Workspace

LEAST = 200 * 2**20
"""Bytes that a round needs at least, whatever the size of its models."""


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """Free space, compared with the size of what a round writes anew.

    A round replaces its checkpoints, and adds two versions to the registry and its tables to the DVC cache.
    """
    need = max(LEAST, estimate(workspace))
    free = shutil.disk_usage(workspace.root).free
    if free < 2 * need:
        report = error if free < need else warning
        yield report(
            f"{free / 1e9:.1f} GB are free, and a round needs about {need / 1e9:.1f} GB; free some space, for example "
            "data in the DVC cache that no version needs",
            rounds(workspace, "gc --yes"),
        )


def estimate(workspace: Workspace) -> int:
    """Bytes that a round writes beside what is there: checkpoints twice, while one replaces the other, and a copy in
    the registry."""
    return 2 * _size(workspace.checkpoints) + _size(workspace.training) + _size(workspace.feedback)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
