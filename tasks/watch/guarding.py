"""What people say of the champion in use, and what follows where they say it is bad: a rollback by itself."""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, SerializeAsAny

from core.errors import BadModel
from core.files import write_json
from core.knobs import BaseSettings
from core.plugins import chosen, used_by_name
from core.settings import read, section
from evaluation.guards import Guard, GuardFinding, LiveFeedback
from feedback import live
from feedback.schema import FeedbackEvent
from tasks.registry import audit, incidents, promotion
from tasks.registry.alias import FORCED, AliasConflict, ModelVersion, Registry
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tasks.tools.events import RollbackEvent

WATCH = "watch"
"""Who rolls back, as the audit log and the incident name it."""


class WatchSettings(BaseSettings):
    """What people say of the champion in use, and what follows."""

    rollback: Literal["none", "hard", "soft", "both"] = "both"
    """Breaches that roll the champion back at once; the others are alarms."""
    guards: Annotated[
        dict[str, SerializeAsAny[Guard] | None],
        used_by_name("evaluation.guards", "harm", "errors", "liking", "preference"),
    ] = Field(default_factory=dict, validate_default=True)
    """Guards by name, with their knobs; only `null` leaves one out."""


class GuardReport(NamedTuple):
    """What a look at live feedback found, and did."""

    champion: str | None
    """The version that was looked at; None where there is none yet."""
    found: Sequence[GuardFinding] = ()
    now: str | None = None
    """The version that is champion instead; None where nothing was rolled back."""
    incident: int | None = None
    """The incident that was opened about it."""
    kept: str = ""
    """Why a breach did not roll the champion back."""

    @property
    def breaches(self) -> list[GuardFinding]:
        """The guards that are in breach."""
        return [found for found in self.found if found.breached]

    @property
    def alarms(self) -> list[str]:
        """Every breach as a sentence, then what was done about it."""
        said = [f"{found.guard} ({found.severity}): {found.said}" for found in self.breaches]
        if self.now:
            said.append(f"version {self.champion} was rolled back to version {self.now}: incident {self.incident}")
        return said + ([f"version {self.champion} stays champion: {self.kept}"] if self.kept else [])


def guard(workspace: Workspace, waiting: Sequence[FeedbackEvent]) -> GuardReport:
    """Ask every guard about the champion, and roll it back where a breach is to do so.

    The incident is opened before the champion moves, and found again by whoever looks after a kill. What was found is
    kept in data/watch/guards.json.

    Args:
        workspace: where.
        waiting: the usable records of the inbox.

    Raises:
        BadParams: params.yaml cannot be read.
        RoundBusy: another look at it takes longer than a minute.
    """
    knobs = section(WatchSettings, read(workspace.params), "watch", workspace.params)
    registry = Registry(workspace.root)
    # two at the same time would open two incidents; a lock of its own, as a rollback must not wait for comparisons
    with holding(workspace.watch_lock("guards"), "a look at live feedback", wait=60):
        return _guard(workspace, waiting, knobs, registry)


def _guard(
    workspace: Workspace, waiting: Sequence[FeedbackEvent], knobs: WatchSettings, registry: Registry
) -> GuardReport:
    registry.reconcile()
    champion = registry.champion()
    if champion is None:
        return GuardReport(None)
    heard = hear(workspace, waiting, champion)
    guarded = GuardReport(champion.version, [guard.look(heard) for guard in chosen(knobs.guards)])
    if guarded.breaches:
        guarded = _answer(workspace, registry, champion, guarded, knobs)
    _keep(workspace, guarded)
    return guarded


def rolled_back(workspace: Workspace) -> list[RollbackEvent]:
    """The rollbacks by guards that the audit log knows of, oldest first."""
    moves = [entry for entry in audit.read(workspace.audit) if (entry.event, entry.who) == ("rollback", WATCH)]
    facts = ("left", "now", "reason")
    return [RollbackEvent(move.facts["intent"], move.at, *(move.facts[name] for name in facts)) for move in moves]


def hear(workspace: Workspace, waiting: Sequence[FeedbackEvent], champion: ModelVersion) -> LiveFeedback:
    """The live feedback on the champion and the version it took over from: what rounds took in, and what waits."""
    before = champion.tags.get("rollback_to", "")
    versions = [version for version in (champion.version, before) if version]
    events = live.on_versions(workspace.feedback, waiting, versions)
    opinions, duels = live.opinions(events), live.comparisons(events)
    turned = {
        (champion.version, before): lambda duel: duel,
        (before, champion.version): lambda duel: duel._replace(versions=duel.versions[::-1], share=1 - duel.share),
    }
    return LiveFeedback(
        opinions=[opinion for opinion in opinions if opinion.version == champion.version],
        before=[opinion for opinion in opinions if opinion.version == before],
        duels=[turned[duel.versions](duel) for duel in duels if duel.versions in turned],
    )


def _answer(
    workspace: Workspace, registry: Registry, champion: ModelVersion, guarded: GuardReport, knobs: WatchSettings
) -> GuardReport:
    acting = [found for found in guarded.breaches if knobs.rollback in (found.severity, "both")]
    kept = _kept(workspace, registry, champion, acting)
    if kept:
        return guarded._replace(kept=kept)
    reason = "; ".join(f"{found.guard}: {found.said}" for found in acting)
    number = _incident(workspace, champion, reason)
    try:
        now = registry.rollback(None, reason, WATCH, expect=champion.version).now.version
    except (AliasConflict, BadModel) as refusal:
        incidents.note(workspace.audit, number, f"not rolled back: {refusal}", WATCH)
        return guarded._replace(kept=str(refusal))
    incidents.note(workspace.audit, number, f"rolled back to version {now}", WATCH)
    return guarded._replace(now=now, incident=number)


def _kept(workspace: Workspace, registry: Registry, champion: ModelVersion, acting: Sequence[GuardFinding]) -> str:
    """Why the champion is not rolled back; empty where it is."""
    if not acting:
        return "such a breach only raises an alarm (watch.rollback)"
    if FORCED in champion.tags:
        return f"a person promoted it by force ({champion.tags[FORCED]}), so that it is theirs to roll back"
    before = champion.tags.get("rollback_to")
    if before is None:
        return "it took over from no other version"
    earlier = registry.find(before)
    if earlier is None:
        return f"version {before}, which it took over from, was deleted in MLflow; `rollback --to` goes to another"
    if "rolled_back" in earlier.tags:
        return f"version {before}, which it took over from, was rolled back itself"
    cooling = registry.cooling(promotion.knobs(workspace).cooldown)
    if cooling and all(found.severity == "soft" for found in acting):
        return f"only a hard breach rolls back again so soon: {cooling}"
    return ""


def _incident(workspace: Workspace, champion: ModelVersion, reason: str) -> int:
    """The number of the incident about it: the one that a kill left behind, or a new one."""
    for incident in incidents.about(workspace.audit, champion.version):
        if incident.open and incident.who == WATCH:
            return incident.number
    return incidents.begin(workspace.audit, reason, champion.version, WATCH).number


def _keep(workspace: Workspace, guarded: GuardReport) -> None:
    facts = guarded._asdict() | {"found": [found._asdict() for found in guarded.found], "alarms": guarded.alarms}
    write_json(workspace.watched("guards"), facts)
