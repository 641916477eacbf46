"""Runs of this project's deployments on a Prefect server: start one, list those that have not ended or have failed.

Importing Prefect takes seconds, so functions import it.
"""

from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import UUID

from core.errors import NotFound
from tasks.state.workspace import Workspace
from tasks.tools.prefect_api import address, asking

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.objects import FlowRun

ROUND, APPROVE, ROLLBACK = "round-on-feedback", "approve", "rollback"
"""Deployments of prefect.yaml that a person starts from the dashboard."""

ROUNDS = ("round-nightly", ROUND)
"""Those that run rounds."""

DEPLOYMENTS = (*ROUNDS, "drift-watch", APPROVE, ROLLBACK)
"""Every deployment of prefect.yaml."""

TOTAL = 2.5
"""Seconds for all requests of one call: a server may accept connections and never answer."""

NOT_ENDED = ("RUNNING", "PENDING", "PAUSED", "CANCELLING", "SCHEDULED")
"""States of runs that are listed; a scheduled one only from its time on."""

FAILED = ("FAILED", "CRASHED")
"""States of runs that failed."""

LOOK_BACK = timedelta(days=1)
"""Time in which a run failed that is listed."""

MOST, MOST_FAILED = 50, 5
"""Runs that are listed: those that have not ended, and those that failed last."""


class DeploymentRun(NamedTuple):
    """A run of a deployment on the server."""

    id: str
    name: str
    deployment: str
    state: str
    """As Prefect names it: Running, Late, Suspended …"""
    since: datetime | None
    """When it began, or should have begun."""
    page: str
    """Its page on the server."""
    message: str = ""
    """What the state says, such as why it failed."""


class ListedRuns(NamedTuple):
    """The runs that people look at."""

    running: tuple[DeploymentRun, ...]
    """Those that have not ended, oldest first. A run of a schedule counts from its time on."""
    failed: tuple[DeploymentRun, ...] = ()
    """Those that failed in the last day, newest first."""

    @property
    def failed_round(self) -> DeploymentRun | None:
        """The run of a round that failed last."""
        return next((run for run in self.failed if run.deployment in ROUNDS), None)


class DeploymentRuns(Hashable, Protocol):
    """The runs of a workspace's deployments."""

    def start(self, deployment: str, parameters: Mapping[str, object], key: str) -> DeploymentRun:
        """Start a run; the same key again gives the same run."""
        ...

    def listed(self) -> ListedRuns:
        """The runs that have not ended, and those that failed."""
        ...


class PrefectRuns:
    """The runs on the server of PREFECT_API_URL."""

    def __init__(self, workspace: Workspace) -> None:
        """Nothing is asked yet.

        Args:
            workspace: the one that started runs are for.
        """
        self._workspace = workspace

    def start(self, deployment: str, parameters: Mapping[str, object], key: str) -> DeploymentRun:
        """Start a run of a deployment; a worker picks it up within seconds.

        Args:
            deployment: its name, without that of its flow.
            parameters: of the flow, beside the workspace; others have the values of the deployment.
            key: names the request: the same key again gives the run that it started.

        Raises:
            NoPrefect: there is no server, or it does not answer.
            NotFound: the server does not have the deployment.
        """
        with asking(TOTAL) as client:
            ids = _ids(client, deployment)
            if deployment not in ids:
                raise NotFound(
                    f"the Prefect server has no deployment {deployment!r}; end the services and start them again with "
                    "`rounds up`, which sends it"
                )
            given = {**parameters, "workspace": str(self._workspace.root)}
            run = client.create_flow_run_from_deployment(ids[deployment], parameters=given, idempotency_key=key)
            return _described(run, deployment)

    def listed(self) -> ListedRuns:
        """The runs that have not ended, and those that failed in the last day.

        Raises:
            NoPrefect: there is no server, or it does not answer.
        """
        with asking(TOTAL) as client:
            names: dict[UUID | None, str] = {number: name for name, number in _ids(client, *DEPLOYMENTS).items()}
            if not names:
                return ListedRuns(())
            running, failed = _not_ended(client, names), _failed(client, names)
        now = datetime.now(UTC)
        return ListedRuns(tuple(run for run in running if run.since is None or run.since <= now), tuple(failed))


def _not_ended(client: "SyncPrefectClient", names: Mapping[UUID | None, str]) -> list[DeploymentRun]:
    from prefect.client.schemas.sorting import FlowRunSort

    wanted = _in_state(names, NOT_ENDED)
    order = FlowRunSort.EXPECTED_START_TIME_ASC
    found = client.read_flow_runs(flow_run_filter=wanted, sort=order, limit=MOST)
    return [_described(run, names[run.deployment_id]) for run in found]


def _failed(client: "SyncPrefectClient", names: Mapping[UUID | None, str]) -> list[DeploymentRun]:
    from prefect.client.schemas.filters import FlowRunFilterEndTime
    from prefect.client.schemas.sorting import FlowRunSort

    since = FlowRunFilterEndTime(after_=datetime.now(UTC) - LOOK_BACK)
    wanted = _in_state(names, FAILED).model_copy(update={"end_time": since})
    found = client.read_flow_runs(flow_run_filter=wanted, sort=FlowRunSort.END_TIME_DESC, limit=MOST_FAILED)
    return [_described(run, names[run.deployment_id]) for run in found]


def _in_state(names: Mapping[UUID | None, str], states: Sequence[str]) -> "FlowRunFilter":
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId, FlowRunFilterState
    from prefect.client.schemas.filters import FlowRunFilterStateType as StateType
    from prefect.client.schemas.objects import StateType as States

    return FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[number for number in names if number]),
        state=FlowRunFilterState(type=StateType(any_=[States(state) for state in states])),
    )


def _ids(client: "SyncPrefectClient", *names: str) -> dict[str, UUID]:
    """Name → id of the deployments that the server has."""
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName

    found = client.read_deployments(deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[*names])))
    return {deployment.name: deployment.id for deployment in found}


def _described(run: "FlowRun", deployment: str) -> DeploymentRun:
    state = run.state.name if run.state and run.state.name else str(run.state_name or "unknown")
    since = run.start_time or run.next_scheduled_start_time or run.expected_start_time
    page = f"{address().removesuffix('/').removesuffix('/api')}/runs/flow-run/{run.id}"
    message = str(run.state.message or "") if run.state else ""
    return DeploymentRun(str(run.id), str(run.name), deployment, state, since, page, message)
