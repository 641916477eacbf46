"""watch: does the feedback that waits, or the newest round, look unlike what the champion learned from?"""

from pathlib import Path

from prefect import flow, get_run_logger
from rich.console import Console
from rich.table import Table

from flows.server import configured
from flows.title import entitle
from tasks.events import drifted
from tasks.watching import Seen, look
from tasks.workspace import Workspace, current


@flow(name="watch", validate_parameters=False)
def watch(workspace: str | None = None) -> list[str]:
    """Look once, on a schedule; returns the alarms as sentences. It changes nothing: what answers an alarm listens."""
    seen = _watched(current(Path(workspace) if workspace else None))
    for alarm in seen.alarms:
        get_run_logger().warning(alarm)
    entitle(_title(seen))
    return seen.alarms


def show_watch(folder: Path | None) -> None:
    """The same from the command line, without a Prefect server of its own."""
    place = current(folder)
    seen = _watched(place)
    console = Console()
    console.print(_title(seen), style="bold red" if seen.alarms else "bold")
    if seen.decided:
        console.print(_table(seen))
    for alarm in seen.alarms:
        console.print(f"ALARM {alarm}", style="red")


def _watched(place: Workspace) -> Seen:
    seen = look(place)
    if seen.alarms and configured():
        drifted(place, seen.alarms)
    return seen


def _title(seen: Seen) -> str:
    if seen.champion is None:
        return "nothing to watch: no champion yet"
    alarms = {0: "no alarm", 1: "1 alarm"}.get(len(seen.alarms), f"{len(seen.alarms)} alarms")
    compared = "" if seen.decided else ", too few to compare"
    return f"{alarms}: {seen.records} records wait{compared}; champion is version {seen.champion}"


def _table(seen: Seen) -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in ("compared", "effect", "limit", "p", "found"):
        table.add_column(column)
    for check, p, alarm in seen.decided:
        row = (check.name, f"{check.effect:.3g}", f"{check.limit:.3g}", f"{p:.2g}", check.said)
        table.add_row(*row, style="red" if alarm else None)
    return table
