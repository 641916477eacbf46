"""Run one step of a round on a worker, which may be on another machine, in an empty workspace."""

from prefect import flow

from core.process import prepare
from tasks.rounds.worker_step import work


@flow(name="step", flow_run_name="{title}", validate_parameters=False)
def run_step(handover: str, workspace: str, attempt: str, title: str) -> None:
    """Run one attempt of a step. The round's own process starts it; `steps.STEP.work_pool` says on which pool.

    Args:
        handover: fsspec URL of the handover.
        workspace: Id of the workspace whose round it is.
        attempt: Name of the attempt in the handover.
        title: Round and step.
    """
    prepare()
    work(handover, workspace, attempt)
