"""Promotion: at the end of a round whose verdict is `promote`, or manually."""

from typing import Literal

from pydantic import Field

from core.errors import RoundsError
from core.settings import BaseSettings, read, section
from evaluation.verdict import Finding, Verdict
from tasks.registry.alias import AliasConflict, ModelVersion, Registry
from tasks.registry.journal import MoveKind
from tasks.state.round import Round
from tasks.state.workspace import Workspace


class PromotionSettings(BaseSettings):
    """When a round may promote its candidate."""

    cooldown: float = Field(86400.0, ge=0)
    """Seconds after a rollback in which no round promotes. Manual promotion stays possible; `rounds cooldown` ends
    the cooldown early."""


class VersionRejected(RoundsError):
    """A manual promotion of a version that the gates of its round rejected."""


def knobs(workspace: Workspace) -> PromotionSettings:
    """The section `promotion` of the next round.

    Raises:
        BadParams: an unknown knob, or an invalid value.
    """
    return section(PromotionSettings, read(workspace.params), "promotion", workspace.params)


def carry_out(round: Round, registry: Registry, version: ModelVersion, verdict: Verdict) -> Verdict:
    """Promote the candidate if the verdict is `promote`; returns the final verdict.

    During a cooldown, or if the champion is not the one the candidate was compared with, the verdict becomes `hold`,
    with the reason as an additional finding. The candidate stays registered, and a person can promote it. After a kill
    this can be repeated; the last result counts, because the round's record is written later.
    """
    if verdict.result == "promote":
        verdict = _promote_or_hold(round, registry, version, verdict)
        if version.tags.get("verdict") != verdict.result:
            registry.mark(version, {"verdict": verdict.result})
    return verdict


def _promote_or_hold(round: Round, registry: Registry, version: ModelVersion, verdict: Verdict) -> Verdict:
    reasons = "; ".join(finding.reason for finding in verdict.findings)
    expect = round.champion.version if round.champion else None
    cooldown = round.knobs("promotion", PromotionSettings).cooldown
    try:
        registry.promote(version.version, expect, reasons, "rounds", cooldown=cooldown)
    except AliasConflict as conflict:
        return verdict.with_finding(Finding(gate="promotion", result="hold", reason=str(conflict)))
    return verdict


def by_hand(
    registry: Registry, version: str, reason: str, who: str, force: bool, unverified: bool = False
) -> Literal["done", "noop"]:
    """Promote a version manually, also during a cooldown; returns `noop` if it is already champion.

    The files of the version and of its reward model are downloaded and compared with their known digests first.

    With `force`, also a version that the gates rejected or that was rolled back. Such a version is tagged `forced`:
    `watch` raises alarms about it but does not roll it back.

    Raises:
        VersionRejected: the gates rejected the version.
        RolledBack: the version was rolled back earlier.
        AliasConflict: the champion changed during this call.
        NotFound: there is no such version.
        Unverified: nobody vouches for its digest, and `unverified` is not set.
        BadModel: its stored files, or those of its reward model, are missing or differ from those that were registered.
    """
    target, champion = registry.version(version), registry.alias()
    rejected = registry.rejected(target)
    if rejected and not force:
        raise VersionRejected(
            f"policy version {version} was rejected by the gates of round {target.round}, whose record has the "
            f"reasons; promote it anyway with `rounds promote {version} --force --reason …`"
        )
    needs_force = rejected or registry.rolled_back(target) is not None
    _check_files(registry, target, champion)
    kind: MoveKind = "force" if force and needs_force else "promote"
    return registry.promote(version, champion, reason, who, kind=kind, unverified=unverified)


def _check_files(registry: Registry, target: ModelVersion, champion: str | None) -> None:
    if target.version == champion:
        return
    registry.check_files(target)
    if reward := registry.trust.reward_version(target):
        registry.check_files(registry.version(reward, "reward"))
