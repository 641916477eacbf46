"""The facts that lines of an audit log state about versions: digests, verdicts, and which of them were champion.

Pure: the lines may come from this workspace's log or from the mirror in MLflow.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from tasks.registry.audit import AuditEntry, Facts

REGISTER, ADOPT, ACCEPT, DROP, GC = "register", "adopt", "accept", "drop", "gc"
"""Events: a round registered a version; a person took a version of an older release into the log; a person accepted
differences between log, records and registry; a registered round was dropped before it was finished; garbage was
collected, after versions had been deleted in MLflow."""

PROMOTING = ("bootstrap", "promote", "force")
"""Events that make a version champion by a decision of a round or a person."""

FOUND, ROLLBACK = "found", "rollback"

DIGEST_FROM = "digest_from"
"""Field of a move whose digest is not in the log: where it comes from. Such a line does not vouch for the digest."""


class LoggedVersion(NamedTuple):
    """A version as the log knows it."""

    model: str
    version: str
    digest: str
    seq: int
    """Number of the line."""
    round: int | None = None
    key: str | None = None
    """Key of its round; None for lines that lack it."""
    verdict: str | None = None
    """The verdict of the gates at registration; None if unknown."""
    reward_version: str | None = None
    """The reward model that a policy was trained with; None if it has none, or the line does not state it."""
    registered: bool = False
    """True for a line of the round that registered it or of `rounds adopt`; False for a move of the alias."""


@dataclass
class Ledger:
    """What a log says about versions of `policy` and `reward`."""

    versions: dict[tuple[str, str], LoggedVersion] = field(default_factory=dict)
    """By model and version number; of a number that was registered twice, the newest."""
    reused: list[tuple[LoggedVersion, LoggedVersion]] = field(default_factory=list)
    """Two registrations of one number with different digests, the older one first."""
    champions: dict[str, int] = field(default_factory=dict)
    """The versions that were champion, in the order of their last move → number of that line."""
    current: str = ""
    """The champion after the last move; empty if the alias was unset."""
    predecessors: dict[str, str] = field(default_factory=dict)
    """Champion → the version that it replaced, by decisions of rounds and people."""
    found_after: dict[str, str] = field(default_factory=dict)
    """The same for moves that were found: made by hand, or from another workspace."""
    rolled_back: dict[str, str] = field(default_factory=dict)
    """Version → reason."""
    forced: dict[str, str] = field(default_factory=dict)
    """Versions whose last promotion was forced → reason."""
    accepted: set[str] = field(default_factory=set)
    """Identities of the differences that a person accepted."""
    dropped: set[str] = field(default_factory=set)
    """Keys of registered rounds that were dropped before they were finished."""

    def digest(self, model: str, version: str) -> str | None:
        """The digest of a version; None if no line vouches for it."""
        logged = self.versions.get((model, version))
        return logged.digest if logged else None

    def of_own_round(self, version: str) -> bool:
        """True if a round of the log's workspace registered the policy version, so that its moves are logged too."""
        logged = self.versions.get(("policy", version))
        return logged is not None and logged.registered and logged.key is not None

    def rejected(self, version: str) -> bool:
        """True if the gates rejected the policy version."""
        logged = self.versions.get(("policy", version))
        return logged is not None and logged.verdict == "reject"


def ledger(entries: Iterable[AuditEntry]) -> Ledger:
    """Read the lines of a log, oldest first. Lines with fields of wrong types, as a server may have, are left out."""
    result = Ledger()
    for entry in entries:
        with suppress(TypeError, ValueError, AttributeError):
            _add(result, entry)
    return result


def _add(result: Ledger, entry: AuditEntry) -> None:
    if entry.event in (REGISTER, ADOPT):
        _register(result, entry)
    elif entry.event in (ACCEPT, GC):
        _accept(result, entry.facts)
    elif entry.event == DROP:
        result.dropped.add(str(entry.facts.get("key")))
    elif "now" in entry.facts:
        _move(result, entry)


def _register(result: Ledger, entry: AuditEntry) -> None:
    facts = entry.facts
    if not str(facts.get("version")).isdecimal():
        return  # no version of a registry: only somebody else can have written the line
    version = LoggedVersion(
        model=str(facts.get("model")),
        version=str(facts.get("version")),
        digest=str(facts.get("digest")),
        seq=entry.seq,
        round=facts.get("round"),
        key=facts.get("key"),
        verdict=facts.get("verdict"),
        reward_version=facts.get("reward_version"),
        registered=True,
    )
    identity = (version.model, version.version)
    before = result.versions.get(identity)
    if before and before.digest != version.digest:
        result.reused.append((before, version))
        _forget_moves(result, version)
    result.versions[identity] = version
    result.accepted.discard(f"missing:{version.model}/{version.version}")


def _accept(result: Ledger, facts: Facts) -> None:
    result.accepted.update(facts.get("differences", ()))
    for name in facts.get("gone", ()):  # its number may be given to another version from now on
        model, _, version = name.partition("/")
        result.versions.pop((model, version), None)
        result.reused = [pair for pair in result.reused if (pair[0].model, pair[0].version) != (model, version)]
        _forget_moves(result, LoggedVersion(model, version, "", 0))


def _forget_moves(result: Ledger, version: LoggedVersion) -> None:
    """Forget the moves of a version whose number another one has, or may have: that one was never champion."""
    if version.model == "policy":
        for known in (result.champions, result.predecessors, result.found_after, result.rolled_back, result.forced):
            known.pop(version.version, None)


def _move(result: Ledger, entry: AuditEntry) -> None:
    facts, now, left = entry.facts, str(entry.facts["now"] or ""), str(entry.facts.get("left") or "")
    result.current = now
    if not now:
        return
    result.champions.pop(now, None)
    result.champions[now] = entry.seq
    reason = str(facts.get("reason", ""))
    if entry.event == ROLLBACK:
        result.rolled_back[left] = reason
    elif entry.event in PROMOTING:
        result.predecessors[now] = left
        result.rolled_back.pop(now, None)
        result.forced.pop(now, None)
        if entry.event == "force":
            result.forced[now] = reason
    elif left:
        result.found_after[now] = left
    if facts.get("digest") and DIGEST_FROM not in facts:
        moved = LoggedVersion("policy", now, str(facts["digest"]), entry.seq, facts.get("round"))
        result.versions.setdefault(("policy", now), moved)
