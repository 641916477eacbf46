"""Which digest a registered version must have: what this workspace recorded decides, not a tag beside the files."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from core.errors import RoundsError
from tasks.registry import audit
from tasks.registry.ledger import ledger
from tasks.registry.mirror import Mirrored
from tasks.state import records
from tasks.state.workspace import Workspace
from tasks.tools import tracking

if TYPE_CHECKING:
    from tasks.registry.ledger import Ledger
    from tasks.registry.versions import ModelVersion

Source = Literal["log", "record", "signed mirror", "mirror", "tag"]
"""Where a digest is from: this workspace's audit log or record of the round, the copy of a log in MLflow, or only the
tag of the version."""

VERIFIED: tuple[Source, ...] = ("log", "record", "signed mirror")
"""Sources that a person who can write to the registry cannot change."""

_Stamp = tuple[int, int, int] | None

_logger = logging.getLogger(__name__)


class Unverified(RoundsError):
    """A promotion of a version whose digest neither this workspace nor a trusted key vouches for."""


class KnownDigest(NamedTuple):
    """The digest that a version must have."""

    digest: str
    source: Source

    @property
    def verified(self) -> bool:
        """True if somebody who can write to the registry cannot have changed it."""
        return self.source in VERIFIED


def decide(tag: str, sources: Iterable[tuple[Source, str | None]]) -> KnownDigest:
    """The digest of the first source that knows one, else the tag's. Later sources are not asked."""
    return next((KnownDigest(digest, source) for source, digest in sources if digest), KnownDigest(tag, "tag"))


class ReadableMirror(Protocol):
    """The copy of the audit log in MLflow, however it is read."""

    @property
    def mirrored(self) -> Mirrored:
        """The facts of all lines."""
        ...


class DigestSources:
    """What is known about the versions of one workspace's registry."""

    def __init__(self, workspace: Workspace, mirror: ReadableMirror) -> None:
        self._workspace, self._mirror = workspace, mirror
        self._warned: set[str] = set()
        self._read: tuple[_Stamp, Ledger] | None = None

    def log(self) -> "Ledger":
        """The facts of this workspace's audit log, read again if its file has changed."""
        stamp = _stamp(self._workspace.audit)
        if self._read is None or self._read[0] != stamp:
            self._read = stamp, ledger(audit.read(self._workspace.audit))
        return self._read[1]

    def elsewhere(self, signed: bool) -> "Ledger":
        """The facts in the mirror, of all workspaces; of those that a trusted key signed, with `signed`."""
        with tracking.answering(self._workspace.root):
            mirrored = self._mirror.mirrored
        return mirrored.signed if signed else mirrored.all

    def known(self, version: "ModelVersion") -> KnownDigest:
        """The digest that a version must have."""
        name, number = version.name, version.version

        def sources() -> Iterable[tuple[Source, str | None]]:
            yield "log", self.log().digest(name, number)
            yield "record", recorded(self._workspace, version.tags.get("round_key")).get((name, number))
            yield "signed mirror", self.elsewhere(signed=True).digest(name, number)
            yield "mirror", self.elsewhere(signed=False).digest(name, number)

        return decide(version.digest, sources())

    def reward_version(self, policy: "ModelVersion") -> str | None:
        """The reward model that a policy was trained with, by the log where it has the version, else by its tag."""
        logged = self.log().versions.get(("policy", policy.version))
        if logged is None or not logged.registered:
            return policy.tags.get("reward_version")
        tag = policy.tags.get("reward_version")
        if tag != logged.reward_version:
            self.warn(
                f"policy version {policy.version}: its tag reward_version is {tag}, the audit log has "
                f"{logged.reward_version}; the log decides"
            )
        return logged.reward_version

    def report(self, version: "ModelVersion", known: KnownDigest) -> None:
        """Warn, once, of a digest that nobody vouches for, and of a tag that differs from what is known."""
        title = f"{version.name} version {version.version}"
        if not known.verified:
            where = "only its tag in MLflow has a digest" if known.source == "tag" else "its digest is from the mirror"
            self.warn(f"{title} is unverified: it is not in this workspace's audit log, and {where}")
        if version.digest != known.digest:
            self.warn(
                f"{title}: its tag in MLflow has another digest ({version.digest[:12]}…) than the {known.source} "
                f"({known.digest[:12]}…): the tag was edited, or the version replaced"
            )

    def warn(self, message: str) -> None:
        """Log a warning, the same one only once."""
        if message not in self._warned:
            self._warned.add(message)
            _logger.warning("%s", message)


def _stamp(file: Path) -> _Stamp:
    """What differs between two states of a file that lines are appended to, or that is replaced."""
    try:
        state = file.stat()
    except FileNotFoundError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns


def recorded(workspace: Workspace, key: str | None) -> Mapping[tuple[str, str], str]:
    """Model and version → digest of the versions that the round with this key registered, by its record."""
    for number in records.numbers(workspace):
        record = records.read(workspace, number)
        if record.key == key:
            return {(entry.model, entry.version): entry.digest for entry in record.registered}
    return {}
