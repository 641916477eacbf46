"""What a backup is: a folder with the files of a workspace, and a description with a SHA-256 of each."""

import hashlib
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from core.errors import Damaged, NotFound
from core.files import digest
from core.stored import Stored, Value

MANIFEST = "backup.json"

CONTENT = "workspace"
"""The folder of a backup that becomes the workspace."""

MODELS = "champion"
"""The folder of a backup with the weights of the champion, where an MLflow server has the registry."""

PACKAGES = ("rounds", "mlflow", "dvc", "torch")
"""The packages whose versions a backup names."""

SHOWN = 10
"""Maximum number of problems that a message lists."""


class ChampionFacts(Value):
    """The policy that was champion when the backup was made."""

    version: str
    digest: str
    """SHA-256 (hex) of its files."""


class BackupManifest(Stored):
    """The content of `backup.json`, which is written last: a folder without it is no backup."""

    made: str
    """UTC time, ISO 8601."""
    versions: Mapping[str, str]
    """Of Python and of `PACKAGES`."""
    id: str
    """The id of the workspace."""
    name: str
    round: int | None = None
    """The number of the last finished round; None if none is finished."""
    champion: ChampionFacts | None = None
    bytes: int
    """Size of all files together."""
    folders: tuple[str, ...] = ()
    """Folders of the workspace without files."""
    left_out: tuple[str, ...] = ()
    """What belongs to the workspace and is not in the backup, one sentence each."""
    files: Mapping[str, str]
    """Path in the backup → SHA-256 (hex)."""
    sums: str
    """SHA-256 (hex) of `files`, see `summed`."""

    def of_workspace(self) -> dict[str, str]:
        """Path in the workspace → SHA-256 of the files that a restored workspace has."""
        top = f"{CONTENT}/"
        return {name.removeprefix(top): sha256 for name, sha256 in self.files.items() if name.startswith(top)}


def versions() -> dict[str, str]:
    """The versions of Python and of `PACKAGES`."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"python": python} | {package: version(package) for package in PACKAGES}


def now() -> str:
    """The time as it is written in a manifest."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def summed(files: Mapping[str, str]) -> str:
    """One SHA-256 of all names and digests, so that a changed manifest is noticed."""
    return hashlib.sha256(json.dumps(dict(files), sort_keys=True).encode()).hexdigest()


def read(folder: Path) -> BackupManifest:
    """The manifest of a backup.

    Raises:
        NotFound: the folder is no backup, or an unfinished one.
        Damaged: the manifest is incomplete or invalid, or a path in it leads out of the backup.
    """
    file = folder / MANIFEST
    if not file.is_file():
        raise NotFound(f"{folder} is no backup: it has no {MANIFEST}; name the folder that `rounds backup` wrote")
    manifest = BackupManifest.load(file)
    if summed(manifest.files) != manifest.sums or not all(map(_inside, (*manifest.files, *manifest.folders))):
        raise Damaged(f"{file} was changed after the backup was made; use another backup")
    return manifest


def verify(folder: Path) -> BackupManifest:
    """Read every file of a backup and compare its SHA-256; nothing is written.

    Raises:
        NotFound: the folder is no backup.
        Damaged: files are missing or differ; names them.
    """
    manifest = read(folder)
    problems = [problem for name, sha256 in manifest.files.items() if (problem := _problem(folder / name, sha256))]
    if problems:
        shown = "\n".join(f"  {problem}" for problem in problems[:SHOWN])
        raise Damaged(
            f"{folder}: {len(problems)} of {len(manifest.files)} files are damaged; use another backup:\n{shown}"
        )
    return manifest


def _problem(file: Path, sha256: str) -> str | None:
    if not file.is_file():
        return f"{file} is missing"
    try:
        return None if digest(file) == sha256 else f"{file} differs from what was saved"
    except OSError as error:
        return f"{file} cannot be read: {error.strerror}"


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts
