"""The installed packages are those of the lock, requirements.txt."""

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tasks.doctor.diagnosis import Diagnosis, path, warning
from tasks.state.workspace import PROJECT, Workspace

LOCK = PROJECT / "requirements.txt"
SHOWN = 5


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """Versions that differ from the lock."""
    yield from compared(LOCK)


def compared(lock: Path) -> Iterator[Diagnosis]:
    """Installed packages whose version is not the one that a lock names. Missing ones may be tools of developers."""
    if not lock.exists():
        return
    pins = (line.strip().split("==") for line in lock.read_text(encoding="utf-8").splitlines() if "==" in line)
    pairs = ((name, pinned, _installed(name)) for name, pinned in pins)
    differing = [f"{name} {now}, not {pinned}" for name, pinned, now in pairs if now not in (None, pinned)]
    if differing:
        more = f" and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
        yield warning(
            f"installed versions differ from {lock.name}: {'; '.join(differing[:SHOWN])}{more}",
            f"{path(Path(sys.executable))} -m pip install -r {path(lock)}",
        )


def _installed(name: str) -> str | None:
    """The installed version, without a local part such as `+cpu`; None if it is not installed."""
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return None
