"""Waiting for people: a deployed Prefect run is suspended, and resumed when they have voted or approved.

A suspended run has no process, and holds neither the workspace's lock nor the server's slot. The deadline belongs to
the round (tasks/people/waiting.py): any run that continues the round after the deadline treats the wait as expired.
"""

import re
from contextlib import suppress
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.runtime import deployment, flow_run
from prefect.states import Cancelled
from pydantic import Field

from flows.orchestration.title import name_run
from tasks.pages.markdown import escaped
from tasks.people import approval, waiting
from tasks.people.pending import pending
from tasks.people.waiting import Wait
from tasks.state.workspace import Workspace
from tasks.tools.events import suspended
from tasks.tools.prefect_api import configured


class ApprovalForm(RunInput):
    """Approve the candidate?"""

    approve: bool = Field(
        title="Approve", description="Make the candidate champion; otherwise the verdict becomes hold."
    )
    by: str = Field(title="Your name", description="Written to the audit log.", pattern=r"\S")
    why: str = Field(title="Why", description="Written to the audit log.", pattern=r"\S")


def resumed() -> bool:
    """True if this run was suspended before."""
    if deployment.id is None:
        return False
    with get_client(sync_client=True) as client:
        return bool(client.read_flow_run(UUID(str(flow_run.id))).empirical_policy.pause_keys)


def pause(workspace: Workspace, wait: Wait) -> bool:
    """Suspend the run until people have voted or approved. Call it without the lock: this may end the process.

    True if the round can continue: people are done, or the run was resumed with a decision. False if this run cannot be
    suspended, or another run is already suspended for the same wait.
    """
    awaited = pending(workspace)
    if awaited is None or awaited.ready:
        return True
    name_run(awaited.summary)
    own_run = str(flow_run.id)
    if deployment.id is None or (wait.flow_run and wait.flow_run != own_run and suspended(wait.flow_run)):
        return False
    waiting.suspend(workspace, wait, own_run)
    if _can_continue(workspace):  # the last vote came before there was a run that it could resume
        return True
    if wait.what == "votes":
        suspend_flow_run(key=str(uuid4()))  # if it is resumed too early, it is suspended again, which needs a new key
    else:
        form = ApprovalForm.with_initial_data(description=str(escaped(awaited.summary)))
        # with the same key, the resumed run gets the decision here instead of pausing again
        decision = suspend_flow_run(wait_for_input=form, key="approval-" + re.sub(r"\D", "", wait.since))
        with suppress(approval.AlreadyDecided):  # in the meantime, from the command line
            approval.decide(workspace, wait.round, decision.approve, decision.by, decision.why)
    return True


def _can_continue(workspace: Workspace) -> bool:
    awaited = pending(workspace)
    return awaited is None or awaited.ready


def cancel_suspended(workspace: Workspace) -> None:
    """Cancel runs that are still suspended for a round that this run has finished."""
    waits = (waiting.of(workspace, what) for what in waiting.KINDS)
    for wait in waits:
        if wait and wait.flow_run and configured() and wait.flow_run != str(flow_run.id) and suspended(wait.flow_run):
            with suppress(httpx.HTTPError), get_client(sync_client=True) as client:
                done: State[None] = Cancelled(message=f"round {wait.round} was continued by run {flow_run.id}")
                client.set_flow_run_state(UUID(str(wait.flow_run)), done)
