"""One check between rounds: guards on live feedback, then drift. Results are sent to Prefect if it is configured."""

from collections.abc import Sequence
from typing import NamedTuple

from tasks.registry import consistency
from tasks.registry.alias import Registry
from tasks.state.intake import waiting_events
from tasks.state.workspace import Workspace
from tasks.tools.events import configured, send_breach, send_drift_alarms, send_unsent_rollbacks
from tasks.watch.drift import InboxDriftReport, check_drift
from tasks.watch.guards import GuardReport, guard, rolled_back


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
            return f"rolled back: version {guards.now} is champion instead of {guards.champion}"
        if differences:
            return f"audit log and registry differ: {differences[0]}"
        if drift.champion is None:
            return "nothing to watch: no champion yet"
        count = len(guards.breaches) + len(drift.alarms)
        alarms = {0: "no alarm", 1: "1 alarm"}.get(count, f"{count} alarms")
        compared = "" if drift.decided else ", too few to compare"
        return f"{alarms}: {drift.records} records wait{compared}; champion is version {drift.champion}"


def watch(workspace: Workspace) -> WatchReport:
    """Run all guards and drift checks once. A breach of a guard may roll the champion back; nothing else is changed.

    Raises:
        BadParams: params.yaml cannot be read.
        RoundBusy: another check holds a lock for longer than a minute.
    """
    events = waiting_events(workspace)
    guarded = guard(workspace, events)  # first: a rollback must not wait for drift checks
    if configured():
        _send(workspace, guarded)
    drift = check_drift(workspace, events)
    if drift.champion and configured():
        send_drift_alarms(workspace, drift.named)
    return WatchReport(guarded, drift, consistency.errors(consistency.inspect(workspace, Registry(workspace.root))))


def _send(workspace: Workspace, guarded: GuardReport) -> None:
    send_unsent_rollbacks(workspace, rolled_back(workspace))  # all of them: earlier ones may not have reached a server
    if guarded.breaches and guarded.now is None:
        send_breach(workspace, guarded.alarms)
