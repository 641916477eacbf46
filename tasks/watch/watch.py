"""One check between rounds: guards on live feedback, then drift. Results are sent to Prefect if it is configured."""

from collections.abc import Sequence
from typing import NamedTuple

from feedback.schema import FeedbackEvent
from tasks.registry import consistency
from tasks.registry.alias import Registry
from tasks.state.intake import waiting_events
from tasks.state.workspace import Workspace
from tasks.tools.announcing import begin_watch
from tasks.tools.events import send_breach, send_drift_alarms, send_unsent_rollbacks
from tasks.tools.prefect_api import configured
from tasks.watch.drift import InboxDriftReport, check_drift
from tasks.watch.guards import GuardReport, alarm_count, guard, rolled_back


class WatchReport(NamedTuple):
    """The results of the guards and of the drift checks."""

    guards: GuardReport
    drift: InboxDriftReport
    differences: Sequence[str] = ()
    """Errors between audit log, records and registry, see `consistency`."""

    @property
    def alarms(self) -> list[str]:
        """One sentence per alarm."""
        return [*self.differences, *self.guards.alarms, *self.drift.alarms]

    @property
    def title(self) -> str:
        """The result in one line."""
        guards, drift, differences = self
        if guards.now:
            return guards.title
        if differences:
            return f"audit log and registry differ: {differences[0]}"
        if drift.champion is None:
            return guards.title
        alarms = alarm_count(len(guards.breaches) + len(drift.alarms))
        compared = "" if drift.decided else ", too few to compare"
        return f"{alarms}: {drift.records} records wait{compared}; champion is version {drift.champion}"


def watch(workspace: Workspace) -> WatchReport:
    """Run all guards and drift checks once. A breach of a guard may roll the champion back; nothing else is changed.

    Raises:
        BadParams: params.yaml cannot be read.
        RoundBusy: another check holds a lock for longer than a minute.
    """
    guarded, events = _guarded(workspace)  # first: a rollback must not wait for drift checks
    drift = check_drift(workspace, events)
    if drift.champion and configured():
        send_drift_alarms(workspace, drift.named)
    return WatchReport(guarded, drift, consistency.errors(consistency.inspect(workspace, Registry(workspace.root))))


def watch_guards(workspace: Workspace) -> GuardReport:
    """Run the guards only, which takes seconds: a breach may roll the champion back.

    Raises:
        BadParams, RoundBusy: see `watch`.
    """
    return _guarded(workspace)[0]


def _guarded(workspace: Workspace) -> tuple[GuardReport, list[FeedbackEvent]]:
    """The result of the guards, and the feedback that waits."""
    begin_watch(workspace)
    events = waiting_events(workspace)
    guarded = guard(workspace, events)
    if configured():
        _send(workspace, guarded)
    return guarded, events


def _send(workspace: Workspace, guarded: GuardReport) -> None:
    send_unsent_rollbacks(workspace, rolled_back(workspace))  # all of them: earlier ones may not have reached a server
    if guarded.breaches and guarded.now is None:
        send_breach(workspace, guarded.alarms)
