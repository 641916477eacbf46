"""watch: is the champion bad in use, or what waits, or the newest round, unlike what the champion learned from?"""

from pathlib import Path

from prefect import flow, get_run_logger
from rich.console import Console
from rich.table import Table

from core.proxies import spare_loopback
from flows.orchestration.title import entitle
from tasks.state.intake import waiting
from tasks.state.workspace import Workspace, current
from tasks.tools.events import configured, drifted, in_breach, rollbacks
from tasks.watch.guarding import GuardReport, guard, rolled_back
from tasks.watch.watching import WatchReport, look


@flow(name="watch", validate_parameters=False)
def watch(workspace: str | None = None) -> list[str]:
    """Look once, on a schedule; returns the alarms as sentences.

    A breach of a guard (section `watch` of params.yaml) rolls the champion back; nothing else is changed.
    """
    spare_loopback()
    guarded, seen = _watched(current(Path(workspace) if workspace else None))
    alarms = [*guarded.alarms, *seen.alarms]
    for alarm in alarms:
        get_run_logger().warning(alarm)
    entitle(_title(guarded, seen))
    return alarms


def show_watch(folder: Path | None) -> None:
    """The same from the command line, without a Prefect server of its own."""
    guarded, seen = _watched(current(folder))
    alarms = [*guarded.alarms, *seen.alarms]
    console = Console()
    console.print(_title(guarded, seen), style="bold red" if alarms else "bold")
    for found in guarded.found:
        console.print(f"{found.guard:<11} {found.said}", style="red" if found.breached else None, soft_wrap=True)
    if seen.decided:
        console.print(_table(seen))
    for alarm in alarms:
        console.print(f"ALARM {alarm}", style="red", markup=False, soft_wrap=True)


def _watched(workspace: Workspace) -> tuple[GuardReport, WatchReport]:
    """What people say of the champion comes first: a rollback must not wait for comparisons."""
    events = waiting(workspace)
    guarded = guard(workspace, events)
    if configured():
        _tell(workspace, guarded)
    seen = look(workspace, events)
    if seen.champion and configured():
        drifted(workspace, seen.named)
    return guarded, seen


def _tell(workspace: Workspace, guarded: GuardReport) -> None:
    rollbacks(workspace, rolled_back(workspace))  # those of looks before, too, that no server took
    if guarded.breaches and guarded.now is None:
        in_breach(workspace, guarded.alarms)


def _title(guarded: GuardReport, seen: WatchReport) -> str:
    if seen.champion is None:
        return "nothing to watch: no champion yet"
    if guarded.now:
        return f"rolled back: version {guarded.now} is champion instead of {guarded.champion}"
    count = len(guarded.breaches) + len(seen.alarms)
    alarms = {0: "no alarm", 1: "1 alarm"}.get(count, f"{count} alarms")
    compared = "" if seen.decided else ", too few to compare"
    return f"{alarms}: {seen.records} records wait{compared}; champion is version {seen.champion}"


def _table(seen: WatchReport) -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in ("compared", "effect", "limit", "p", "found"):
        table.add_column(column)
    for check, p, alarm in seen.decided:
        row = (check.name, f"{check.effect:.3g}", f"{check.limit:.3g}", f"{p:.2g}", check.said)
        table.add_row(*row, style="red" if alarm else None)
    return table
