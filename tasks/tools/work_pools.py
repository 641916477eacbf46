"""Work pools of the Prefect server: runs of the flow `step` on their workers.

Importing Prefect takes seconds, so functions import it.
"""

import shlex
from typing import NamedTuple, Protocol
from uuid import UUID

from core.errors import NotFound
from tasks.tools.prefect_api import asking

FLOW, ENTRYPOINT = "step", "flows.step.run_step"
"""The flow that a worker runs, and where it is imported from: each worker has its own checkout of the code."""

ENDED, LOST = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED"), "CRASHED"
"""States of runs that have ended; the last one is that of a run whose process was killed."""


TOTAL = 10.0
"""Seconds for all requests of a question to the server."""


def starting(pool: str) -> str:
    """The command that starts a worker of a pool, in backticks."""
    return f"`prefect worker start --pool {shlex.quote(pool)}`"


class RunState(NamedTuple):
    """What the server says of a run."""

    kind: str
    """Such as SCHEDULED, RUNNING, CRASHED."""
    message: str = ""

    @property
    def taken(self) -> bool:
        """Whether a worker has taken it."""
        return self.kind != "SCHEDULED"

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.kind == "RUNNING"

    @property
    def ended(self) -> bool:
        """Whether no process works on it any more, as far as the server knows."""
        return self.kind in ENDED


class StepRuns(Protocol):
    """The runs of steps on the workers of a pool."""

    def start(self, handover: str, workspace: str, attempt: str, title: str) -> str:
        """Start the run of an attempt, unless it was started before; returns its id."""
        ...

    def state(self, run: str) -> RunState:
        """The state of a run."""
        ...

    def cancel(self, run: str, reason: str) -> None:
        """Say that nobody waits for a run any more."""
        ...


class PoolRuns:
    """The runs on a pool of the server of PREFECT_API_URL."""

    def __init__(self, pool: str) -> None:
        """Nothing is asked yet."""
        self._pool = pool

    def check(self) -> None:
        """Check that the server has the pool.

        Raises:
            NoPrefect: there is no server, or it does not answer.
            NotFound: it has no such pool.
        """
        from prefect.exceptions import ObjectNotFound

        with asking(TOTAL) as client:
            try:
                client.read_work_pool(self._pool)
            except ObjectNotFound as error:
                raise NotFound(
                    f"the Prefect server has no work pool {self._pool!r}; make it with `prefect work-pool create "
                    f"{shlex.quote(self._pool)} --type process`, and start its workers with {starting(self._pool)}"
                ) from error

    def workers(self) -> list[str]:
        """The names of its workers that are online.

        Raises:
            NoPrefect: there is no server, or it does not answer.
            NotFound: it has no such pool.
        """
        self.check()
        with asking(TOTAL) as client:
            found = client.read_workers_for_work_pool(self._pool)
        return [worker.name for worker in found if worker.status and worker.status.value == "ONLINE"]

    def start(self, handover: str, workspace: str, attempt: str, title: str) -> str:
        """Start the run of an attempt, unless it was started before; returns its id.

        Raises:
            NoPrefect: there is no server, or it does not answer.
            NotFound: it has no such pool.
        """
        self.check()
        with asking(TOTAL) as client:
            flow = client.create_flow_from_name(FLOW)
            deployment = client.create_deployment(
                flow, f"step-{self._pool}", work_pool_name=self._pool, entrypoint=ENTRYPOINT
            )
            given = {"handover": handover, "workspace": workspace, "attempt": attempt, "title": title}
            run = client.create_flow_run_from_deployment(deployment, parameters=given, idempotency_key=attempt)
            return str(run.id)

    def state(self, run: str) -> RunState:
        """The state of a run.

        Raises:
            NoPrefect: the server does not answer.
        """
        with asking(TOTAL) as client:
            state = client.read_flow_run(UUID(run)).state
        return RunState(state.type.value, str(state.message or "")) if state else RunState("SCHEDULED")

    def cancel(self, run: str, reason: str) -> None:
        """Say that nobody waits for a run any more; its worker ends it if it still can.

        Raises:
            NoPrefect: the server does not answer.
        """
        from prefect.states import Cancelling, Crashed

        with asking(TOTAL) as client:
            state = client.read_flow_run(UUID(run)).state
            if state is None or state.is_final():
                return
            client.set_flow_run_state(UUID(run), Cancelling(message=reason))
            # a worker that lives ends the process; the run of one that died would stay in that state
            client.set_flow_run_state(UUID(run), Crashed(message=reason), force=True)
