"""Scheduled runs that a downtime has left over: of those that are due, only the newest of a deployment does anything.

Prefect plans runs ahead. When a worker starts after a night without one, it starts all that are due, at once: dozens of
processes, and a round for each night that was missed.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.runtime import deployment, flow_run

_ACTIVE = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.COMPLETED]
"""States of a later run that does the work of this one, or has done it."""

OVERTAKEN = "skipped: a later run of the schedule is due"
"""The name of a run that leaves its work to a later one."""


def overtaken() -> bool:
    """True if a schedule started this run, and a later run of the same schedule was due as well.

    False for a run that was started by hand or by an event, is retried, or was suspended.
    """
    if deployment.id is None:
        return False
    with get_client(sync_client=True) as client:
        own = client.read_flow_run(UUID(str(flow_run.id)))
        if not own.auto_scheduled or own.run_count > 1 or own.expected_start_time is None:
            return False
        due = _due(client, UUID(str(deployment.id)), _ACTIVE, own.expected_start_time + timedelta(seconds=1))
    return any(run.auto_scheduled for run in due)


def drop_overtaken(client: SyncPrefectClient) -> int:
    """Delete the scheduled runs that are due, but for the newest of each deployment; returns how many there were.

    Call it before a worker starts.
    """
    dropped = 0
    for each in client.read_deployments():
        due = [run for run in _due(client, each.id, [StateType.SCHEDULED]) if run.auto_scheduled and run.run_count == 0]
        for run in sorted(due, key=lambda run: run.expected_start_time or datetime.min.replace(tzinfo=UTC))[:-1]:
            client.delete_flow_run(run.id)
            dropped += 1
    return dropped


def _due(
    client: SyncPrefectClient, deployment_id: UUID, states: list[StateType], since: datetime | None = None
) -> list[FlowRun]:
    """The runs of a deployment in one of these states that should have started by now, and not before `since`."""
    return client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment_id])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states)),
            expected_start_time=FlowRunFilterExpectedStartTime(after_=since, before_=datetime.now(UTC)),
        ),
    )
