"""watch: is the champion bad in use, or what waits, or the newest round, unlike what the champion learned from?"""

from pathlib import Path

from prefect import flow, get_run_logger

from flows.orchestration.title import entitle
from tasks.state.workspace import current
from tasks.watch import watched


@flow(name="watch", validate_parameters=False)
def watch(workspace: str | None = None) -> list[str]:
    """Look once, on a schedule; returns the alarms as sentences.

    A breach of a guard (section `watch` of params.yaml) rolls the champion back; nothing else is changed.
    """
    found = watched.watch(current(Path(workspace) if workspace else None))
    for alarm in found.alarms:
        get_run_logger().warning(alarm)
    entitle(found.title)
    return found.alarms
