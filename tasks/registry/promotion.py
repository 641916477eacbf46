"""Promotion: what becomes of a verdict of `promote` at the end of a round, and a promotion that a person decides."""

from typing import Literal

from pydantic import Field

from core.errors import RoundsError
from core.knobs import BaseSettings
from core.settings import read, section
from evaluation.verdict import Finding, Verdict
from tasks.registry.alias import AliasConflict, ModelVersion, Registry
from tasks.state.round import Round
from tasks.state.workspace import Workspace


class PromotionSettings(BaseSettings):
    """When a round may promote its candidate."""

    cooldown: float = Field(86400.0, ge=0)
    """Seconds after a rollback in which no round promotes. People can, or end it with `rounds cooldown`."""


class VersionRejected(RoundsError):
    """The version was rejected by the gates of its round."""


def knobs(workspace: Workspace) -> PromotionSettings:
    """The section `promotion` of the next round.

    Raises:
        BadParams: a knob that does not exist, or a value that it does not take.
    """
    return section(PromotionSettings, read(workspace.params), "promotion", workspace.params)


def carry_out(round: Round, registry: Registry, version: ModelVersion, verdict: Verdict) -> Verdict:
    """Promote the candidate where the verdict says so; returns what became of the verdict.

    A candidate that meets a cooldown, or another champion than the one it was compared with, is held, with the reason
    as one more finding: it is registered and readable, and a person can promote it. Repeated after a kill, the last
    answer stands, for nothing was recorded before.
    """
    if verdict.result == "promote":
        verdict = _promoted_or_held(round, registry, version, verdict)
        if version.tags["verdict"] != verdict.result:
            registry.mark(version, {"verdict": verdict.result})
    return verdict


def _promoted_or_held(round: Round, registry: Registry, version: ModelVersion, verdict: Verdict) -> Verdict:
    reasons = "; ".join(finding.reason for finding in verdict.findings)
    expect = round.champion.version if round.champion else None
    cooldown = round.knobs("promotion", PromotionSettings).cooldown
    try:
        registry.promote(version.version, expect, reasons, "rounds", cooldown=cooldown)
    except AliasConflict as conflict:
        return verdict.with_finding(Finding(gate="promotion", result="hold", reason=str(conflict)))
    return verdict


def by_hand(registry: Registry, version: str, reason: str, who: str, force: bool) -> Literal["done", "noop"]:
    """Promote a version because a person says so, whatever cooldown there is; `noop` where it is champion.

    With `force`, also what the gates rejected or what was rolled away from. Such a version is marked: `watch` raises
    alarms about it, and leaves rolling it back to people.

    Raises:
        Rejected: the gates rejected the version.
        RolledBack: it was rolled away from.
        Conflict: another promotion or rollback came in between.
        BadModel: there is no such version.
    """
    target, champion = registry.version(version), registry.alias()
    rejected = target.tags.get("verdict") == "reject"
    if rejected and not force:
        raise VersionRejected(
            f"policy version {version} was rejected by the gates of round {target.round}, whose record says why; "
            f"promote it all the same: `rounds promote {version} --force --reason …`"
        )
    against = rejected or "rolled_back" in target.tags
    return registry.promote(version, champion, reason, who, kind="force" if force and against else "promote")
