"""One look between rounds: guards on live feedback first, then drift; a Prefect server, where there is one, is told."""

from typing import NamedTuple

from tasks.state.intake import inbox_events
from tasks.state.workspace import Workspace
from tasks.tools.events import configured, send_breach, send_drift_alarms, send_unsent_rollbacks
from tasks.watch.guarding import GuardReport, guard, rolled_back
from tasks.watch.watching import WatchReport, look


class Watched(NamedTuple):
    """What the guards and the comparisons found."""

    guarded: GuardReport
    seen: WatchReport

    @property
    def alarms(self) -> list[str]:
        """All alarms as sentences."""
        return [*self.guarded.alarms, *self.seen.alarms]

    @property
    def title(self) -> str:
        """The outcome in a line."""
        guarded, seen = self
        if seen.champion is None:
            return "nothing to watch: no champion yet"
        if guarded.now:
            return f"rolled back: version {guarded.now} is champion instead of {guarded.champion}"
        count = len(guarded.breaches) + len(seen.alarms)
        alarms = {0: "no alarm", 1: "1 alarm"}.get(count, f"{count} alarms")
        compared = "" if seen.decided else ", too few to compare"
        return f"{alarms}: {seen.records} records wait{compared}; champion is version {seen.champion}"


def watch(workspace: Workspace) -> Watched:
    """Look once. A breach of a guard rolls the champion back; nothing else is changed.

    Raises:
        BadParams: params.yaml cannot be read.
        RoundBusy: another look takes longer than a minute.
    """
    events = inbox_events(workspace)
    guarded = guard(workspace, events)  # first: a rollback must not wait for comparisons
    if configured():
        _tell(workspace, guarded)
    seen = look(workspace, events)
    if seen.champion and configured():
        send_drift_alarms(workspace, seen.named)
    return Watched(guarded, seen)


def _tell(workspace: Workspace, guarded: GuardReport) -> None:
    send_unsent_rollbacks(workspace, rolled_back(workspace))  # those of looks before, too, that no server took
    if guarded.breaches and guarded.now is None:
        send_breach(workspace, guarded.alarms)
