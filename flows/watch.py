"""watch: check live feedback on the champion, and drift of new feedback and of the newest round."""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from core.process import prepare
from flows.orchestration.late import OVERTAKEN, overtaken
from flows.orchestration.title import name_run
from tasks.state.choosing import current
from tasks.watch import watch as checks


def _name() -> str:
    """With the time for which the run was scheduled, in UTC."""
    return f"watch {flow_run.scheduled_start_time or datetime.now(UTC):%Y-%m-%d %H:%M}"


@flow(name="watch", flow_run_name=_name, validate_parameters=False)
def watch(workspace: str | None = None, guards_only: bool = False) -> list[str]:
    """Check live feedback on the champion, and drift; returns the alarms as sentences.

    A breached guard (section `watch` of params.yaml) rolls the champion back; nothing else is changed.

    Args:
        workspace: Folder of the workspace; empty for the one that the worker serves.
        guards_only: Check live feedback on the champion only, which takes seconds; live feedback starts such runs.
    """
    prepare()
    if overtaken():
        name_run(OVERTAKEN)
        return []
    folder = current(Path(workspace) if workspace else None)
    report = checks.watch_guards(folder) if guards_only else checks.watch(folder)
    for alarm in report.alarms:
        get_run_logger().warning(alarm)
    name_run(f"{_name()}: {report.title}")
    return report.alarms
