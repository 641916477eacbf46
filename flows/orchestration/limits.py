"""One round at a time: the file lock of the workspace and, with a Prefect server, a strict global limit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.concurrency.asyncio import AcquireConcurrencySlotTimeoutError
from prefect.concurrency.sync import concurrency

from core.errors import RoundBusy
from tasks.state import records
from tasks.state.line import line_record
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tasks.tools import lines, tracking
from tasks.tools.prefect_api import configured

SLOT = "rlhf-round"
"""The server's global concurrency limit of a line is `rlhf-round.LINE`. A deployment's own limit would not hold across
deployments."""

LEASE = 60.0
"""Seconds after which the server frees the slot of a round that died."""

PATIENCE = 2 * LEASE
"""Seconds that a round waits at least for the slot: if a round was just killed, its lease must expire first."""


@contextmanager
def one_at_a_time(workspace: Workspace, wait: float) -> Iterator[Callable[[str], None]]:
    """Hold the lock and, with a Prefect server, its slot, while the block runs.

    Yields a function that sets the description of the holder, for the error message of others.

    Raises:
        RoundBusy: another round holds the workspace, or its line's slot, and did not end within `wait` seconds.
        NoTracking: the workspace's line is not recorded yet, and MLflow does not answer.
    """
    with holding(workspace.lock, f"round {records.coming(workspace)}", wait) as announce:
        if configured():
            with _slot(slot_name(workspace), wait):
                yield announce
        else:
            yield announce


def slot_name(workspace: Workspace) -> str:
    """The name of the limit of the workspace's line. The MLflow server is asked only if no line is recorded yet."""
    line = lines.label(workspace.root)
    if line_record(workspace) is None and not tracking.is_local(workspace.root):
        line = lines.working(tracking.client(workspace.root), workspace.root).name
    return f"{SLOT}.{line}"


@contextmanager
def _slot(name: str, wait: float) -> Iterator[None]:
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(name, 1)
    timeout = max(wait, PATIENCE)
    # a server that is away for a minute must not end a training of hours: the file lock still holds
    held = concurrency(
        name, strict=True, lease_duration=LEASE, timeout_seconds=timeout, raise_on_lease_renewal_failure=False
    )
    try:
        with held:
            yield
    except AcquireConcurrencySlotTimeoutError as error:
        raise RoundBusy(
            f"another round of this line has held the Prefect server's slot {name!r} for {timeout:.0f} s (running on "
            f"the server: {others() or 'none'}); wait for it, or, if none of the line is running, free the slot with "
            f"`prefect gcl update {name} --active-slots 0`"
        ) from error


def others() -> str:
    """The names of the rounds that are running according to the server."""
    running = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])))
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["round"])), flow_run_filter=running
        )
    return " and ".join(sorted(run.name for run in runs if run.name.startswith("round ")))
