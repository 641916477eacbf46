"""watch: check live feedback on the champion, and drift of new feedback and of the newest round."""

from pathlib import Path

from prefect import flow, get_run_logger

from core.process import prepare
from flows.orchestration.title import name_run
from tasks.state.choosing import current
from tasks.watch import watch as checks


@flow(name="watch", validate_parameters=False)
def watch(workspace: str | None = None) -> list[str]:
    """Check once, on a schedule; returns the alarms as sentences.

    A breached guard (section `watch` of params.yaml) rolls the champion back; nothing else is changed.
    """
    prepare()
    report = checks.watch(current(Path(workspace) if workspace else None))
    for alarm in report.alarms:
        get_run_logger().warning(alarm)
    name_run(report.title)
    return report.alarms
