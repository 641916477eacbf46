"""A look at the feedback that waits, between rounds: against what the champion learned from. Nothing is trained."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core.files import write_json
from core.settings import read, section
from evaluation import drift as checks
from evaluation.drift import CheckResult, DriftFindings, labels, prompts, stream
from evaluation.drift.report import report
from feedback import excerpt, groups, preferences, store
from feedback.schema import FeedbackEvent
from models.reward import RewardModel
from tasks.registry import reference
from tasks.registry.alias import ModelVersion, Registry
from tasks.state import records, tables
from tasks.state.lock import holding
from tasks.state.round import seeded
from tasks.state.workspace import Workspace, reward, table
from tasks.steps.curate import PARTS, CurateSettings
from tasks.steps.drift import DriftSettings, judged, one_each
from tasks.steps.vote import VoteSettings

SEED = seeded("watch")
"""Looked at again, the same feedback gives the same answer."""


class WatchReport(NamedTuple):
    """What a look found."""

    champion: str | None
    """The version that was compared with; None where there is none yet."""
    records: int
    """Usable records of feedback that wait."""
    decided: Sequence[CheckResult] = ()
    """What was compared."""
    newest: Mapping[str, str] = {}  # a default of a NamedTuple that nothing writes to
    """Alarms of the newest round: name → sentence."""

    @property
    def named(self) -> dict[str, str]:
        """Name → sentence of all alarms: of the feedback that waits, then of the newest round.

        A name says what has drifted from what; it stays while the numbers of the sentence change with each record.
        """
        alarms = [found for found in self.decided if found.alarm]
        waits = {f"version {self.champion}: {found.check.name}": checks.sentence(found) for found in alarms}
        return waits | dict(self.newest)

    @property
    def alarms(self) -> list[str]:
        """All alarms as sentences."""
        return list(self.named.values())


def look(workspace: Workspace, waiting: Sequence[FeedbackEvent]) -> WatchReport:
    """Compare what waits in the inbox with what the champion learned from, and recall the newest round's alarms.

    What was found is kept in data/watch/watch.json. No round is touched; one may run meanwhile.

    Args:
        workspace: where.
        waiting: the usable records of the inbox; those that a round took in before are not looked at again.

    Raises:
        BadParams: params.yaml cannot be read.
        RoundBusy: another look takes more than a minute.
    """
    knobs, registry = _knobs(workspace), Registry(workspace.root)
    champion = registry.champion()
    if champion is None:
        return WatchReport(None, len(waiting))
    known = store.ids(workspace.feedback)
    events = groups.regroup(list({one.feedback_id: one for one in waiting if one.feedback_id not in known}.values()))
    with holding(workspace.watch_lock(), "a look", wait=60):
        found = _feedback(workspace, champion, events, knobs)
        found |= _labels(workspace, registry, champion, events, knobs)
        decided = checks.decide(found.checks, knobs.drift.level)
        seen = WatchReport(champion.version, len(events), decided, newest(workspace))
        facts = {"champion": champion.version, "records": len(events)}
        facts |= report(found, decided).to_json() | {"alarms": seen.alarms}
        write_json(workspace.watched("watch"), facts)
    return seen


def newest(workspace: Workspace) -> dict[str, str]:
    """The alarms of the round that finished last: name → sentence."""
    last = records.last(workspace)
    if last is None:
        return {}
    metrics = last.metrics
    names = [name.removesuffix("_alarm") for name, value in metrics.items() if name.endswith("_alarm") and value]
    alarms = {f"round {last.number}: {name}": metrics[name] for name in names}
    return {name: f"{name} {effect:.3g}, see data/reports/drift.html" for name, effect in alarms.items()}


class _Knobs(NamedTuple):
    """The sections of the next round's parameters that a look needs."""

    curate: CurateSettings
    vote: VoteSettings
    drift: DriftSettings


def _knobs(workspace: Workspace) -> _Knobs:
    values = read(workspace.params)
    return _Knobs(
        section(CurateSettings, values, "curate", workspace.params),
        section(VoteSettings, values, "vote", workspace.params),
        section(DriftSettings, values, "drift", workspace.params),
    )


def _feedback(
    workspace: Workspace, champion: ModelVersion, events: Sequence[FeedbackEvent], knobs: _Knobs
) -> DriftFindings:
    drift, learned, criterion = knobs.drift, range(champion.round + 1), knobs.curate.criterion
    asked = excerpt.prompts(workspace.feedback, learned, drift.groups, SEED)
    voted = stream.stream(excerpt.votes(workspace.feedback, learned, drift.groups, SEED), criterion)
    asks, votes = excerpt.prompts_of(events, drift.groups, SEED), stream.stream(events, criterion)
    return prompts.drift(asked, asks, drift.limits, drift.bins, SEED) | stream.drift(voted, votes, drift.limits, SEED)


def _labels(
    workspace: Workspace, registry: Registry, champion: ModelVersion, events: Sequence[FeedbackEvent], knobs: _Knobs
) -> DriftFindings:
    """The champion's reward model on votes that wait, on pairs nobody voted on before; loaded where there are any."""
    held_out, count = table(workspace.preferences, "holdout"), knobs.drift.groups
    waiting = preferences.preferences(events, knobs.curate.split, "", knobs.curate.criterion).rows
    if not waiting:
        return DriftFindings()
    files = [path for part in PARTS if (path := table(workspace.preferences, part)).exists()]
    learned = {row["pair_id"] for path in files for row in tables.rows(path)}
    fresh = one_each([row._asdict() for row in waiting if row.pair_id not in learned], count, SEED)
    folder = reference.fetch_reward(registry, champion, reward(workspace.watch)) if fresh else None
    if folder is None or not held_out.exists():
        return DriftFindings()
    known = [row for row in tables.rows(held_out) if row["round"] <= champion.round]
    model = RewardModel.load(folder)
    before, now = (judged(model, rows, knobs.vote.annotator) for rows in (one_each(known, count, SEED), fresh))
    return labels.drift(before, now, knobs.drift.limits, SEED)
