"""Drift checks between rounds: feedback that waits, compared with the champion's training data. Trains nothing."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core.files import write_json
from core.settings import read, section
from evaluation import drift as checks
from evaluation.drift import CheckResult, DriftFindings, labels, prompts, stream
from evaluation.drift.report import report
from feedback import excerpt, groups, preferences, store
from feedback.schema import FeedbackEvent
from tasks.registry import reference
from tasks.registry.alias import ModelVersion, Registry
from tasks.state import loading, records, tables
from tasks.state.lock import holding
from tasks.state.round import seeded
from tasks.state.workspace import Workspace, reward, table
from tasks.steps.curate import SPLITS, CurateSettings
from tasks.steps.drift import DriftSettings, one_pair_per_group, scored_pairs
from tasks.steps.vote import VoteSettings

SEED = seeded("watch")
"""Fixed, so that the same feedback always gives the same result."""


class InboxDriftReport(NamedTuple):
    """The result of one drift check between rounds."""

    champion: str | None
    """The version whose training data was compared with; None if there is no champion yet."""
    records: int
    """Number of usable records that wait in the inbox and in the feedback database."""
    decided: Sequence[CheckResult] = ()
    """All checks, with Holm-adjusted p-values."""
    newest: Mapping[str, str] = {}  # a shared default, but nothing writes to it
    """Alarms of the last finished round: name → sentence."""

    @property
    def named(self) -> dict[str, str]:
        """All alarms, name → sentence: on feedback in the inbox, then on the last finished round.

        A name identifies what has drifted from what. It stays the same while the numbers in the sentence change.
        """
        alarms = [result for result in self.decided if result.alarm]
        inbox = {f"version {self.champion}: {result.check.name}": checks.sentence(result) for result in alarms}
        return inbox | dict(self.newest)

    @property
    def alarms(self) -> list[str]:
        """One sentence per alarm."""
        return list(self.named.values())


def check_drift(workspace: Workspace, waiting: Sequence[FeedbackEvent]) -> InboxDriftReport:
    """Compare feedback in the inbox with the champion's training data; repeat the alarms of the last finished round.

    The report is written to data/watch/watch.json. Rounds are not changed; one may run at the same time.

    Args:
        workspace: whose inbox is checked.
        waiting: the usable records of the inbox and of the feedback database; records that a round has already stored
            are ignored.

    Raises:
        BadParams: params.yaml cannot be read.
        RoundBusy: another check holds the lock for longer than a minute.
    """
    knobs, registry = _knobs(workspace), Registry(workspace.root)
    champion = registry.champion()
    if champion is None:
        return InboxDriftReport(None, len(waiting))
    stored = store.ids(workspace.feedback)
    new = {event.feedback_id: event for event in waiting if event.feedback_id not in stored}
    events = groups.regroup(list(new.values()))
    with holding(workspace.watch_lock(), "a drift check", wait=60):
        findings = _feedback(workspace, champion, events, knobs)
        findings |= _labels(workspace, registry, champion, events, knobs)
        results = checks.decide(findings.checks, knobs.drift.level)
        result = InboxDriftReport(champion.version, len(events), results, newest(workspace))
        facts = {"champion": champion.version, "records": len(events)}
        facts |= report(findings, results).to_json() | {"alarms": result.alarms}
        write_json(workspace.watched("watch"), facts)
    return result


def newest(workspace: Workspace) -> dict[str, str]:
    """The drift alarms of the last finished round: name → sentence."""
    last = records.last(workspace)
    if last is None:
        return {}
    metrics = last.metrics
    names = [name.removesuffix("_alarm") for name, value in metrics.items() if name.endswith("_alarm") and value]
    alarms = {f"round {last.number}: {name}": metrics[name] for name in names}
    return {name: f"{name} {effect:.3g}, see data/reports/drift.html" for name, effect in alarms.items()}


class _Knobs(NamedTuple):
    """The sections of params.yaml that a drift check needs."""

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
    old_prompts = excerpt.prompts(workspace.feedback, learned, drift.groups, SEED)
    old_votes = stream.stream(excerpt.votes(workspace.feedback, learned, drift.groups, SEED), criterion)
    new_prompts, new_votes = excerpt.prompts_of(events, drift.groups, SEED), stream.stream(events, criterion)
    findings = prompts.drift(old_prompts, new_prompts, drift.limits, drift.bins, SEED)
    return findings | stream.drift(old_votes, new_votes, drift.limits, SEED)


def _labels(
    workspace: Workspace, registry: Registry, champion: ModelVersion, events: Sequence[FeedbackEvent], knobs: _Knobs
) -> DriftFindings:
    """The champion's reward model on pairs in the inbox that no round has stored; only loaded if there are any."""
    held_out, count = table(workspace.preferences, "holdout"), knobs.drift.groups
    waiting = preferences.preferences(events, knobs.curate.split, "", knobs.curate.criterion).rows
    if not waiting:
        return DriftFindings()
    files = [path for split in SPLITS if (path := table(workspace.preferences, split)).exists()]
    stored = {row["pair_id"] for path in files for row in tables.rows(path)}
    fresh = one_pair_per_group([row._asdict() for row in waiting if row.pair_id not in stored], count, SEED)
    folder = reference.fetch_reward(registry, champion, reward(workspace.watch)) if fresh else None
    if folder is None or not held_out.exists():
        return DriftFindings()
    known = [row for row in tables.rows(held_out) if row["round"] <= champion.round]
    model, sides = loading.outside(workspace).reward_model(folder), (one_pair_per_group(known, count, SEED), fresh)
    before, now = (scored_pairs(model, rows, knobs.vote.annotator) for rows in sides)
    return labels.drift(before, now, knobs.drift.limits, SEED)
