"""Where a round waits for people: a deployed run of Prefect's is suspended, and goes on when they have done it.

A suspended run has no process, and holds neither the workspace's lock nor the server's slot. The deadline is the
round's own (tasks/people/waiting.py): whatever continues the round after it, finds that the time is up.
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

from flows.orchestration.title import entitle
from tasks.people import approval, waiting
from tasks.people.pending import pending
from tasks.people.waiting import Wait
from tasks.state.workspace import Workspace
from tasks.tools.events import configured, suspended


class SignOff(RunInput):
    """Approve the candidate?"""

    approve: bool = Field(title="Approve", description="Make the candidate champion; else the verdict becomes hold.")
    by: str = Field(title="Your name", description="It goes to the audit log.", pattern=r"\S")
    why: str = Field(title="Why", description="It goes to the audit log.", pattern=r"\S")


def resumed() -> bool:
    """True in a run that was suspended before."""
    if deployment.id is None:
        return False
    with get_client(sync_client=True) as client:
        return bool(client.read_flow_run(UUID(str(flow_run.id))).empirical_policy.pause_keys)


def pause(workspace: Workspace, wait: Wait) -> bool:
    """Leave the round to people. Call it without the lock: this may be the end of the process.

    True where the round can go on: people have done it meanwhile, or the run was resumed with a person's word. False
    where this run is none that can be suspended, or another one is suspended for the same wait already.
    """
    found = pending(workspace)
    if found is None or found.ready:
        return True
    entitle(found.summary)
    mine = str(flow_run.id)
    if deployment.id is None or (wait.flow_run and wait.flow_run != mine and suspended(wait.flow_run)):
        return False
    waiting.suspend(workspace, wait, mine)
    if _over(workspace):  # before there was a run that the last vote could resume
        return True
    if wait.what == "votes":
        suspend_flow_run(key=str(uuid4()))  # resumed too early, it is suspended again, which wants another key
    else:
        asked = SignOff.with_initial_data(description=found.summary)
        # the same key again says that this pause is over, and brings what the run was resumed with
        said = suspend_flow_run(wait_for_input=asked, key="approval-" + re.sub(r"\D", "", wait.since))
        with suppress(approval.AlreadyDecided):  # meanwhile, from the command line
            approval.decide(workspace, wait.round, said.approve, said.by, said.why)
    return True


def _over(workspace: Workspace) -> bool:
    now = pending(workspace)
    return now is None or now.ready


def let_go(workspace: Workspace) -> None:
    """Cancel what is still suspended for a round that another run has finished."""
    waits = (waiting.of(workspace, what) for what in waiting.KINDS)
    for wait in waits:
        if wait and wait.flow_run and configured() and wait.flow_run != str(flow_run.id) and suspended(wait.flow_run):
            with suppress(httpx.HTTPError), get_client(sync_client=True) as client:
                done: State[None] = Cancelled(message=f"round {wait.round} was continued by run {flow_run.id}")
                client.set_flow_run_state(UUID(str(wait.flow_run)), done)
