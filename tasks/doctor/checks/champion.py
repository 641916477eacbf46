"""The alias `champion` points to a version that a round registered, and its files are those that were registered."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from core.files import digest
from tasks.doctor.diagnosis import Diagnosis, error, note, rounds, warning
from tasks.registry import audit
from tasks.registry.ledger import Ledger
from tasks.registry.reading import MirrorReading, version_of
from tasks.registry.trust import DigestSources, KnownDigest, Source
from tasks.registry.versions import ModelVersion
from tasks.state import records
from tasks.state.workspace import Workspace
from tasks.tools import mlflow_reading, relocation, tracking
from tasks.tools.mlflow_reading import RegisteredModel, RegistryEntry

LARGE = 2 * 2**30
"""Bytes. The digest of a version with larger files is not computed here, but whenever the version is loaded."""


SOURCES: Mapping[Source, str] = {
    "log": "audit log",
    "record": "record of its round",
    "signed mirror": "signed copy of an audit log in MLflow",
    "mirror": "copy of an audit log in MLflow, which no trusted key signed",
    "tag": "tag of the version in MLflow",
}
"""Where a digest is from, for messages."""

_RESTORE = "restore them from a backup with `rounds restore FROM --replace`"


class StoredVersion(NamedTuple):
    """A version, and where its files are."""

    version: ModelVersion
    source: str
    """The URI of its folder."""

    def __str__(self) -> str:
        return f"{self.version.name} version {self.version.version}"


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """The alias, and the files of the versions that are needed, with their digests.

    Raises:
        Unreadable: MLflow cannot be read.
    """
    if not _used(workspace):
        return
    yield from _moved(workspace)
    policy = mlflow_reading.registered(workspace, "policy")
    copy = MirrorReading(workspace)
    yield from _alias(workspace, policy, copy)
    trust = DigestSources(workspace, copy)
    for version in _wanted(trust.log(), policy, mlflow_reading.registered(workspace, "reward")):
        yield from _files(workspace, version, trust, policy)


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


def _alias(workspace: Workspace, policy: RegisteredModel, copy: MirrorReading) -> Iterator[Diagnosis]:
    """An alias that was moved by hand between versions of rounds; the check `audit_log` finds all others.

    A machine that serves the same line may have moved it: the last move by all logs is compared as well.
    """
    logged = [entry.facts["now"] for entry in audit.read(workspace.audit) if entry.facts.get("now")]
    known = logged and policy.alias in (logged[-1], copy.mirrored.all.current)
    if logged and policy.alias and _registered(policy, policy.alias) and not known:
        yield warning(
            f"the alias `champion` points to version {policy.alias}, and the audit log says {logged[-1]}: it was moved "
            "by hand",
            rounds(workspace, f"promote {logged[-1]} --reason 'the alias was moved by hand'")
            if _registered(policy, logged[-1])
            else None,
        )


def _registered(policy: RegisteredModel, version: str) -> bool:
    known = policy.find(version)
    return known is not None and "round_key" in known.tags


def _wanted(log: Ledger, policy: RegisteredModel, reward: RegisteredModel) -> list[StoredVersion]:
    """The versions whose files are needed: the champion, the one it replaced, its reward model, the newest one.

    Tags are asked only for what the audit log does not have.
    """
    champion, newest = policy.find(policy.alias or ""), policy.versions[0] if policy.versions else None
    wanted = [("policy", champion)]
    if champion:
        before = log.predecessors.get(champion.version, champion.tags.get("rollback_to", ""))
        wanted += [("policy", policy.find(before)), ("reward", reward.find(_judge(log, champion)))]
    if newest and newest.version not in log.rolled_back:  # nothing loads one that was rolled back
        wanted.append(("policy", newest))
    entries = {(name, entry.version): (name, entry) for name, entry in wanted if entry}
    versions = [(version_of(name, entry), entry.source) for name, entry in entries.values()]
    return [StoredVersion(version, source) for version, source in versions if version]


def _judge(log: Ledger, champion: RegistryEntry) -> str:
    """The champion's reward model; empty if it has none."""
    logged = log.versions.get(("policy", champion.version))
    known = logged.reward_version if logged and logged.registered else champion.tags.get("reward_version")
    return known or ""


def _files(
    workspace: Workspace, version: StoredVersion, trust: DigestSources, policy: RegisteredModel
) -> Iterator[Diagnosis]:
    folder = _folder(workspace, version.source)
    if folder is None:
        return  # on a server: they are checked when they are loaded
    cure = _rollback(workspace, version, trust, policy)
    if not folder.is_dir() or not any(folder.iterdir()):
        yield error(f"{version}: its files are missing at {folder}; {_RESTORE}", cure)
    elif sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) > LARGE:
        yield note(f"{version}: its digest was not checked, because its files are larger than {LARGE >> 30} GB")
    else:
        yield from _digest(version, folder, trust.known(version.version), cure)


def _digest(version: StoredVersion, folder: Path, known: KnownDigest, cure: str | None) -> Iterator[Diagnosis]:
    if not known.digest:
        yield warning(f"{version}: nothing has its digest, so that its files at {folder} cannot be compared")
    elif digest(folder) != known.digest:
        yield error(
            f"{version}: its files at {folder} differ from those that were registered, by the {SOURCES[known.source]}; "
            f"{_RESTORE}",
            cure,
        )
    elif not known.verified:
        yield note(
            f"{version} is unverified: its files were compared with {SOURCES[known.source]} only, because this "
            "workspace's audit log does not have it"
        )


def _rollback(
    workspace: Workspace, version: StoredVersion, trust: DigestSources, policy: RegisteredModel
) -> str | None:
    """The command that leaves a champion whose files are lost; None for other versions, or if nothing came before."""
    name, number = version.version.name, version.version.version
    before = trust.log().predecessors.get(number)
    if name != "policy" or number != policy.alias or not before or not policy.find(before):
        return None
    return rounds(workspace, "rollback --reason 'its files are damaged, found by rounds doctor'")


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
