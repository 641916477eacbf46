"""Making a backup: everything that a workspace needs, copied while no round runs in it."""

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from core.errors import BadParams, BadWorkspace, RoundBusy, RoundsError
from core.files import digest, replacing, write_json
from tasks.history.backup import copying, manifest
from tasks.history.backup.contents import CACHE, contents, foreign
from tasks.history.backup.manifest import CONTENT, MANIFEST, MODELS, BackupManifest, ChampionFacts
from tasks.registry.alias import Registry
from tasks.registry.versions import ModelVersion, VersionStore
from tasks.state import feedback_database, identity, records
from tasks.state.lock import holder, holding
from tasks.state.workspace import Workspace
from tasks.tools import tracking
from tasks.tools.versioning import DataGraph

REGISTRY_WAIT = 60.0
"""Seconds to wait for a change of the registry to end."""

SERVER = (
    "runs, versions and artifacts of the MLflow server; copy its database (`pg_dump`) and its artifacts "
    "(`--artifacts-destination`) at the same time"
)
EVENTS = 'the feedback database on its server; save it with `pg_dump "$ROUNDS_FEEDBACK_DATABASE" > feedback.sql`'
CREDENTIALS = ".dvc/config.local, which has credentials of DVC remotes"
NO_CACHE = "the DVC cache (--without-cache), so rounds are replayed only from a DVC remote"


class _Source(NamedTuple):
    """A workspace that is being saved."""

    workspace: Workspace
    draft: Path
    """The folder that becomes the backup."""
    earlier: Path | None
    known: dict[str, str]
    """Path → SHA-256 of the files of the earlier backup."""

    @property
    def content(self) -> Path:
        """The folder in which the files of the workspace are saved."""
        return self.draft / CONTENT


def backup(
    workspace: Workspace, into: Path, cache: bool = True, wait: float = 0.0, earlier: Path | None = None
) -> BackupManifest:
    """Copy a workspace to a new folder, which appears when it is complete.

    Args:
        workspace: the workspace. No round may run in it; feedback may arrive, and the champion may change.
        into: a new or empty folder outside the workspace.
        cache: whether the DVC cache of the workspace is included.
        wait: seconds to wait for a running round.
        earlier: an earlier backup on the same disk; unchanged files become hard links to its files.

    Raises:
        BadWorkspace: the folder is not empty, or in the workspace; or a file cannot be read.
        RoundBusy: a round runs in the workspace.
        Unwritable: the disk is full, or the folder cannot be written. Nothing is left behind then.
        NotFound, Damaged: `earlier` is no backup.
    """
    check_target(workspace, into)
    known = dict(manifest.read(earlier).files) if earlier else {}
    # `explaining` says that a file of the workspace cannot be read, so what is written there comes before it
    with _alone(workspace, into, wait), copying.explaining(into, workspace.root):
        if earlier is None:
            copying.check_space(into, contents(workspace, cache).bytes(workspace))
        with replacing(into) as draft:
            copying.make_folder(draft)
            made = _saved(_Source(workspace, draft, earlier, known), cache)
            write_json(draft / MANIFEST, made.to_json())
            (draft / MANIFEST).chmod(0o600)
    return made


@contextmanager
def _alone(workspace: Workspace, into: Path, wait: float) -> Iterator[None]:
    """Hold the lock that a round holds."""
    if not wait and (who := holder(workspace.lock)):
        command = f"rounds backup {quote(str(into))} -w {quote(str(workspace.root))} --wait 3600"
        raise RoundBusy(f"{who} is running in {workspace.root}; wait for it with `{command}`")
    with holding(workspace.lock, "a backup", wait):
        identity.made(workspace)  # older workspaces have none
        yield


def check_target(workspace: Workspace, into: Path) -> None:
    """Check that a backup can be written to `into`.

    Raises:
        BadWorkspace: it is not empty.
        BadParams: it is in the workspace.
    """
    if into.exists() and not (into.is_dir() and not any(into.iterdir())):
        raise BadWorkspace(f"{into} is not empty; name a new folder for the backup")
    if into.resolve().is_relative_to(workspace.root.resolve()):
        raise BadParams(f"{into} is in the workspace that it would save; name a folder elsewhere, on another disk")


def _saved(source: _Source, cache: bool) -> BackupManifest:
    """Copy everything; MLflow's database first, so that the artifacts that it names are among the files found later."""
    workspace = source.workspace
    local = tracking.is_local(workspace.root)
    files, champion = _copy_registry(source, local)
    if workspace.feedback_database.exists():
        name = workspace.name(workspace.feedback_database)
        files[name] = copying.copy_database(workspace.feedback_database, source.content / name)
    found = contents(workspace, cache)
    files |= {name: _copy(source, name) for name in found.files if name not in files}
    for name in found.folders:
        copying.make_folder(source.content / name)
    entries = {f"{CONTENT}/{name}": sha256 for name, sha256 in files.items()}
    left_out = [*found.skipped, *_left_out(workspace, cache, local)]
    if not local and champion is not None:
        try:
            entries |= _copy_models(source, champion)
        except RoundsError as error:
            left_out.append(f"the weights of the champion: {error}")
    return _described(source, entries, found.folders, champion, left_out)


def _copy_registry(source: _Source, local: bool) -> tuple[dict[str, str], ModelVersion | None]:
    """Copy MLflow's database and the audit log, while no version is registered or promoted; and find the champion."""
    workspace, files = source.workspace, {}
    with holding(workspace.registry_lock, "a backup", REGISTRY_WAIT), _log_at_rest(workspace):
        champion = _champion(workspace) if not local or workspace.database.exists() else None
        for file in (workspace.audit, workspace.audit.with_name(f"{workspace.audit.name}.head")):
            if file.exists():
                files[workspace.name(file)] = _copy(source, workspace.name(file))
        if local and workspace.database.exists():
            name = workspace.name(workspace.database)
            files[name] = copying.copy_database(workspace.database, source.content / name)
    return files, champion


def _champion(workspace: Workspace) -> ModelVersion | None:
    """The champion; None as well if MLflow does not answer, or the alias points to no version of a round."""
    try:
        with tracking.answering(workspace.root):
            return Registry(workspace.root).champion()
    except RoundsError:
        return None


@contextmanager
def _log_at_rest(workspace: Workspace) -> Iterator[None]:
    """Hold the lock of the audit log, so that log and side file belong together."""
    if not workspace.audit.exists():
        yield
        return
    with workspace.audit.open("rb") as log:
        fcntl.flock(log, fcntl.LOCK_SH)
        yield


def _copy(source: _Source, name: str) -> str:
    """Copy one file of the workspace, or link it to the earlier backup; returns its SHA-256."""
    saved = f"{CONTENT}/{name}"
    file, target = source.workspace.root / name, source.content / name
    if source.earlier and saved in source.known and copying.link_file(source.earlier / saved, file, target):
        return source.known[saved]
    return copying.copy_file(file, target)


def _copy_models(source: _Source, champion: ModelVersion) -> dict[str, str]:
    """Fetch the champion and its reward model from the MLflow server; returns path → SHA-256."""
    store = VersionStore(source.workspace.root)
    reward = store.find(champion.tags.get("reward_version", ""), "reward") if champion.tags else None
    with tracking.answering(source.workspace.root):
        folders = [
            store.fetch(version, source.draft / MODELS / version.name) for version in (champion, reward) if version
        ]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return {file.relative_to(source.draft).as_posix(): digest(file) for file in files}


def _left_out(workspace: Workspace, cache: bool, local: bool) -> list[str]:
    left_out = []
    if not local:
        left_out.append(SERVER)
    if feedback_database.served():
        left_out.append(EVENTS)
    if (workspace.root / ".dvc/config.local").exists():
        left_out.append(CREDENTIALS)
    if not cache:
        left_out.append(NO_CACHE)
    elif (folder := DataGraph(workspace.root).cache).resolve() != (workspace.root / CACHE).resolve():
        left_out.append(f"the DVC cache, which is outside the workspace at {folder}")
    if names := foreign(workspace):
        left_out.append(f"files that are not the workspace's: {', '.join(names)}")
    return left_out


def _described(
    source: _Source,
    files: dict[str, str],
    folders: Sequence[str],
    champion: ModelVersion | None,
    left_out: Sequence[str],
) -> BackupManifest:
    workspace = source.workspace
    own = identity.made(workspace)
    return BackupManifest(
        made=manifest.now(),
        versions=manifest.versions(),
        id=own.id,
        name=own.name,
        round=max(records.numbers(workspace), default=None),
        champion=ChampionFacts(version=champion.version, digest=champion.digest) if champion else None,
        bytes=sum((source.draft / name).stat().st_size for name in files),
        folders=tuple(folders),
        left_out=tuple(left_out),
        files=dict(sorted(files.items())),
        sums=manifest.summed(files),
    )
