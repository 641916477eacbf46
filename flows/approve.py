"""Approve: decide on the candidate of a round that waits for approval, and let the round continue."""

from pathlib import Path

from prefect import flow

from core.process import prepare
from flows.orchestration.title import name_run
from tasks.people import approval
from tasks.state.choosing import current


@flow(name="approve", flow_run_name="approve round {round}", validate_parameters=False)
def approve(round: int, by: str, why: str, refuse: bool = False, workspace: str | None = None) -> str:
    """Approve or refuse the candidate of a round that waits for approval; then its suspended run continues.

    The same decision made twice counts once.

    Args:
        round: Number of the round that waits for approval.
        by: Your name, for the audit log.
        why: The reason, for the audit log.
        refuse: Refuse the candidate: the verdict becomes hold.
        workspace: Folder of the workspace; empty for the one that the worker serves.

    Returns:
        what was decided.

    Raises:
        AlreadyDecided: somebody has decided otherwise, or the deadline has passed.
        NotAsked: the round does not wait for approval, or name or reason is empty.
    """
    prepare()
    made = approval.decide_and_resume(current(Path(workspace) if workspace else None), round, not refuse, by, why)
    done = f"{'approve' if made.decision.approve else 'refuse'} round {made.decision.round}"
    resumed = made.resumption.resumed
    name_run(f"{done}: {'its run was resumed' if resumed else 'the next run of the round continues it'}")
    return f"round {made.decision.round} {made.decision}"
