"""Guards on live feedback about the champion: alarms, incidents and automatic rollback."""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, SerializeAsAny

from core.errors import BadModel, NotFound
from core.files import write_json
from core.plugins import chosen, used_by_name
from core.settings import BaseSettings, read, section
from evaluation.guards import Guard, GuardFinding, LiveFeedback
from feedback import forgotten, live
from feedback.schema import FeedbackEvent
from tasks.registry import audit, incidents, promotion
from tasks.registry.alias import AliasConflict, ModelVersion, Registry
from tasks.state import tombstones
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tasks.tools.events import RollbackEvent

WATCH = "watch"
"""The author of automatic rollbacks in the audit log and in incidents."""


GUARDS = ("harm", "errors", "liking", "preference")
"""The guards used by default."""


class WatchSettings(BaseSettings):
    """Guards on live feedback about the champion, and automatic rollback."""

    rollback: Literal["none", "hard", "soft", "both"] = "both"
    """Severity of the breaches that roll the champion back immediately; other breaches only raise an alarm."""
    guards: Annotated[
        dict[str, SerializeAsAny[Guard] | None],
        used_by_name("evaluation.guards", *GUARDS),
    ] = Field(default_factory=dict, validate_default=True)
    """Guards by name, with their knobs; `null` disables one."""


class GuardReport(NamedTuple):
    """The result of one check of live feedback. The fields are the keys of data/watch/guards.json."""

    champion: str | None
    """The version that was checked; None if there is no champion yet."""
    found: Sequence[GuardFinding] = ()
    """One finding per guard."""
    now: str | None = None
    """The champion after a rollback; None if there was no rollback."""
    incident: int | None = None
    """The number of the incident that was opened for the rollback."""
    minimum: int = 1
    """The number of judged answers from which on one of the guards may be in breach."""
    kept: str = ""
    """Why the champion was kept despite a breach; empty if there was no breach, or a rollback."""

    @property
    def breaches(self) -> list[GuardFinding]:
        """The findings of the guards that are in breach."""
        return [finding for finding in self.found if finding.breached]

    @property
    def title(self) -> str:
        """The result in one line."""
        if self.champion is None:
            return "nothing to watch: no champion yet"
        if self.now:
            return f"rolled back: version {self.now} is champion instead of {self.champion}"
        return f"live feedback: {alarm_count(len(self.breaches))}; champion is version {self.champion}"

    @property
    def alarms(self) -> list[str]:
        """One sentence per breach, then one about the rollback or why there was none."""
        alarms = [f"{finding.guard} ({finding.severity}): {finding.said}" for finding in self.breaches]
        if self.now:
            alarms.append(f"version {self.champion} was rolled back to version {self.now}: incident {self.incident}")
        return alarms + ([f"version {self.champion} stays champion: {self.kept}"] if self.kept else [])


def alarm_count(count: int) -> str:
    """`no alarm`, `1 alarm`, `2 alarms`."""
    return {0: "no alarm", 1: "1 alarm"}.get(count, f"{count} alarms")


_BY_HAND = "use `rounds rollback --to VERSION --reason …`"


def guard(workspace: Workspace, waiting: Sequence[FeedbackEvent]) -> GuardReport:
    """Apply every guard to the champion, and roll it back on a breach that `watch.rollback` selects.

    The incident is opened before the champion moves; after a kill in between, the next check continues with the same
    incident. The report is written to data/watch/guards.json.

    Args:
        workspace: whose champion is checked.
        waiting: the usable records of the inbox and of the feedback database.

    Raises:
        BadParams: params.yaml cannot be read.
        RoundBusy: another check of live feedback holds the lock for longer than a minute.
    """
    knobs = section(WatchSettings, read(workspace.params), "watch", workspace.params)
    registry = Registry(workspace.root)
    # two checks at a time would open two incidents; a separate lock, as a rollback must not wait for drift checks
    with holding(workspace.watch_lock("guards"), "a check of live feedback", wait=60):
        return _guard(workspace, waiting, knobs, registry)


def _guard(
    workspace: Workspace, waiting: Sequence[FeedbackEvent], knobs: WatchSettings, registry: Registry
) -> GuardReport:
    registry.reconcile()
    champion = registry.champion()
    if champion is None:
        return GuardReport(None)
    feedback = live_feedback(workspace, waiting, champion.version, registry.predecessor(champion) or "")
    used = chosen(knobs.guards)
    minimum = min((guard.minimum for guard in used), default=1)
    guarded = GuardReport(champion.version, [guard.look(feedback) for guard in used], minimum=minimum)
    if guarded.breaches:
        guarded = _act(workspace, registry, champion, guarded, knobs)
    _write(workspace, guarded)
    return guarded


def rolled_back(workspace: Workspace) -> list[RollbackEvent]:
    """All automatic rollbacks in the audit log, oldest first."""
    moves = [entry for entry in audit.read(workspace.audit) if (entry.event, entry.who) == ("rollback", WATCH)]
    facts = ("left", "now", "reason")
    return [RollbackEvent(move.facts["intent"], move.at, *(move.facts[name] for name in facts)) for move in moves]


def live_feedback(workspace: Workspace, waiting: Sequence[FeedbackEvent], champion: str, before: str) -> LiveFeedback:
    """Live feedback on the champion and the version it replaced, `before`: stored by rounds, and still waiting."""
    versions = [version for version in (champion, before) if version]
    stored_and_waiting = live.on_versions(workspace.feedback, waiting, versions)
    events = list(forgotten.kept(stored_and_waiting, tombstones.forgotten(workspace)))
    opinions, duels = live.opinions(events), live.comparisons(events)
    champion_first = {
        (champion, before): lambda duel: duel,
        (before, champion): lambda duel: duel._replace(versions=duel.versions[::-1], share=1 - duel.share),
    }
    return LiveFeedback(
        opinions=[opinion for opinion in opinions if opinion.version == champion],
        before=[opinion for opinion in opinions if opinion.version == before],
        duels=[champion_first[duel.versions](duel) for duel in duels if duel.versions in champion_first],
    )


def _act(
    workspace: Workspace, registry: Registry, champion: ModelVersion, guarded: GuardReport, knobs: WatchSettings
) -> GuardReport:
    selected = [breach for breach in guarded.breaches if knobs.rollback in (breach.severity, "both")]
    obstacle = _obstacle(workspace, registry, champion, selected)
    if obstacle:
        return guarded._replace(kept=obstacle)
    reason = "; ".join(f"{breach.guard}: {breach.said}" for breach in selected)
    number = _incident(workspace, champion, reason)
    try:
        now = registry.rollback(None, reason, WATCH, expect=champion.version).now.version
    except (AliasConflict, BadModel, NotFound) as refusal:
        incidents.note(workspace.audit, number, f"not rolled back: {refusal}", WATCH)
        return guarded._replace(kept=str(refusal))
    incidents.note(workspace.audit, number, f"rolled back to version {now}", WATCH)
    return guarded._replace(now=now, incident=number)


def _obstacle(
    workspace: Workspace, registry: Registry, champion: ModelVersion, selected: Sequence[GuardFinding]
) -> str:
    """Why the champion cannot be rolled back automatically; empty if it can."""
    if not selected:
        return "breaches of this severity only raise an alarm (watch.rollback)"
    if (forced := registry.forced(champion)) is not None:
        return f"it was promoted with --force ({forced}); only `rounds rollback --reason …` rolls it back"
    before = registry.predecessor(champion)
    if before is None:
        return "it did not take over from another version, so there is none to roll back to"
    earlier = registry.find(before)
    if earlier is None:
        return f"version {before}, which it took over from, was deleted in MLflow; {_BY_HAND}"
    if registry.rolled_back(earlier) is not None:
        return f"version {before}, which it took over from, was itself rolled back; {_BY_HAND}"
    cooling = registry.cooling(promotion.knobs(workspace).cooldown)
    if cooling and all(breach.severity == "soft" for breach in selected):
        return f"during the cooldown only a hard breach causes another rollback: {cooling}"
    return ""


def _incident(workspace: Workspace, champion: ModelVersion, reason: str) -> int:
    """The number of the incident: an open one that a killed check left behind, or a new one."""
    for incident in incidents.about(workspace.audit, champion.version):
        if incident.open and incident.who == WATCH:
            return incident.number
    return incidents.begin(workspace.audit, reason, champion.version, WATCH).number


def _write(workspace: Workspace, guarded: GuardReport) -> None:
    facts = guarded._asdict() | {"found": [finding._asdict() for finding in guarded.found], "alarms": guarded.alarms}
    write_json(workspace.watched("guards"), facts)
