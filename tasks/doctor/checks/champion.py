"""The alias `champion` points to a version that a round registered, and its files are those that were registered."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.files import digest
from tasks.doctor.diagnosis import Diagnosis, error, note, rounds, warning
from tasks.registry import audit
from tasks.state import records
from tasks.state.workspace import Workspace
from tasks.tools import mlflow_reading, relocation, tracking
from tasks.tools.mlflow_reading import RegisteredModel, RegistryEntry

LARGE = 2 * 2**30
"""Bytes. The digest of a version with larger files is not computed here, but whenever the version is loaded."""


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """The alias, and the files of the versions that are needed, with their digests.

    Raises:
        Unreadable: MLflow cannot be read.
    """
    if not _used(workspace):
        return
    yield from _moved(workspace)
    policy = mlflow_reading.registered(workspace, "policy")
    yield from _alias(workspace, policy)
    reward = mlflow_reading.registered(workspace, "reward")
    for name, version in _wanted(policy, reward):
        yield from _files(workspace, name, version)


def _used(workspace: Workspace) -> bool:
    """Whether there can be versions: a new workspace has no database yet."""
    return bool(records.numbers(workspace)) or workspace.database.exists() or not tracking.is_local(workspace.root)


def _moved(workspace: Workspace) -> Iterator[Diagnosis]:
    known = relocation.recorded_folders(workspace)
    if tracking.is_local(workspace.root) and known and known != [workspace.artifacts.resolve().as_uri()]:
        yield note(
            f"the workspace was at {relocation.root_of(known[0])}; the next command that uses MLflow corrects the "
            "addresses in mlflow.db",
            rounds(workspace, "status"),
        )


def _alias(workspace: Workspace, policy: RegisteredModel) -> Iterator[Diagnosis]:
    """An alias that was moved by hand between versions of rounds; the check `audit_log` finds all others."""
    logged = [entry.facts["now"] for entry in audit.read(workspace.audit) if entry.facts.get("now")]
    if logged and policy.alias and _registered(policy, policy.alias) and logged[-1] != policy.alias:
        yield warning(
            f"the alias `champion` points to version {policy.alias}, and the audit log says {logged[-1]}: it was moved "
            "by hand, or from another workspace",
            rounds(workspace, f"promote {logged[-1]} --reason 'the alias was moved by hand'")
            if _registered(policy, logged[-1])
            else None,
        )


def _registered(policy: RegisteredModel, version: str) -> bool:
    known = policy.find(version)
    return known is not None and "round_key" in known.tags


def _wanted(policy: RegisteredModel, reward: RegisteredModel) -> list[tuple[str, RegistryEntry]]:
    """The versions whose files are needed: the champion, the one it replaced, its reward model, the newest one."""
    champion = policy.find(policy.alias or "")
    before = policy.find(champion.tags.get("rollback_to", "")) if champion else None
    newest = policy.versions[0] if policy.versions else None
    judge = reward.find(champion.tags.get("reward_version", "")) if champion else None
    chosen = {("policy", version.version): version for version in (champion, before, newest) if version}
    chosen |= {("reward", judge.version): judge} if judge else {}
    return [(name, version) for (name, _), version in chosen.items() if "digest" in version.tags]


def _files(workspace: Workspace, name: str, version: RegistryEntry) -> Iterator[Diagnosis]:
    folder = _folder(workspace, version.source)
    if folder is None:
        return  # on a server: they are checked when they are loaded
    label = f"{name} version {version.version}"
    if not folder.is_dir() or not any(folder.iterdir()):
        yield error(f"{label}: its files are missing at {folder}; restore them from a backup")
    elif sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) > LARGE:
        yield note(f"{label}: its digest was not checked, because its files are larger than {LARGE >> 30} GB")
    elif digest(folder) != version.tags["digest"]:
        yield error(f"{label}: its files at {folder} differ from those that were registered; restore them")


def _folder(workspace: Workspace, source: str) -> Path | None:
    """The folder of a version's files in this workspace, also if the workspace was moved; None on a server."""
    parts = urlsplit(source)
    if parts.scheme != "file":
        return None
    stored = unquote(parts.path)
    for known in relocation.recorded_folders(workspace) if tracking.is_local(workspace.root) else ():
        before = unquote(urlsplit(known).path)
        if stored.startswith(f"{before}/") and workspace.artifacts.is_dir():
            return workspace.artifacts / stored.removeprefix(f"{before}/")
    return Path(stored)
