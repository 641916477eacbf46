"""A round of RLHF, in the order of its steps."""

from collections.abc import Callable, Sequence
from pathlib import Path

from prefect import flow, get_run_logger

from core.errors import RoundBusy
from core.process import prepare
from flows.orchestration import artifacts
from flows.orchestration.late import OVERTAKEN, overtaken
from flows.orchestration.limits import one_at_a_time
from flows.orchestration.pauses import cancel_suspended, pause, resumed
from flows.orchestration.progress import reporting
from flows.orchestration.steps import as_task
from flows.orchestration.title import name_run
from tasks.people import approval
from tasks.people.waiting import WaitingForPeople
from tasks.rounds import closing, opening
from tasks.rounds.first import workspace_for_round
from tasks.rounds.novelty import nothing_new
from tasks.rounds.request import answer
from tasks.rounds.running import RunningRound
from tasks.state import records
from tasks.state.readiness import readiness
from tasks.state.records import RoundRecord
from tasks.state.workspace import Workspace
from tasks.steps.collect import collect
from tasks.steps.curate import curate
from tasks.steps.drift import drift
from tasks.steps.evaluate import evaluate
from tasks.steps.ingest import ingest
from tasks.steps.policy import policy
from tasks.steps.reward import reward
from tasks.steps.sample import sample
from tasks.steps.sft import sft
from tasks.steps.verdict import verdict
from tasks.steps.vote import await_votes, vote
from tasks.tools.announcing_readiness import announce_after_round

Announce = Callable[[str], None]
"""Sets the description of the running round that others get when they find the workspace busy."""


@flow(name="round", flow_run_name="next round", validate_parameters=False)
def rlhf_round(
    overrides: Sequence[str] = (),
    workspace: str | None = None,
    when_pending: bool = False,
    wait: float = 0.0,
    reopen: bool = False,
    new: bool = True,
    when_new_feedback: bool = False,
) -> RoundRecord | None:
    """feedback → preferences → reward model → policy → evaluation → verdict → registry.

    With `when_pending`, a round runs only if no other one runs, and one is unfinished, enough usable feedback waits, or
    some has waited long enough (`tasks.state.readiness`); otherwise the flow run succeeds at once, and its name gives
    the reason. With `when_new_feedback`, a round runs only if one is unfinished, or if it would learn from feedback
    that the last one did not have (`tasks.rounds.novelty`); otherwise the name and an artifact give the reason. Without
    `new`, a round is not run again if another process has just finished one for the same request.

    If the round has to wait for people, a deployed run is suspended and holds no lock; any other run succeeds, and the
    round is continued later, like an interrupted one.

    Args:
        overrides: Knobs of the round, such as `policy.kl.target=6`.
        workspace: Folder of the workspace; empty for the one that the worker serves.
        when_pending: Run only if a round is unfinished, enough usable feedback waits, or some has waited long enough.
        wait: Seconds to wait for a round that is already running.
        reopen: Discard the results of the unfinished round, and open it again.
        new: Run a round also if nothing has changed since the last one.
        when_new_feedback: Run only if a round is unfinished, or would learn from new feedback, however little.

    Returns:
        the record of the round; None if no round was finished.
    """
    prepare()
    if overtaken():
        name_run(OVERTAKEN)
        return None
    target = workspace_for_round(Path(workspace) if workspace else None, overrides)
    continuing = resumed()  # a resumed run continues its round, and never opens a new one
    while True:
        try:
            with one_at_a_time(target, wait) as announce, reporting(target):
                if continuing:
                    return _continue(target, announce)
                if reason := _nothing_to_do(target, overrides, when_pending, when_new_feedback):
                    name_run(f"nothing to do: {reason}")
                    return None
                return _round(target, overrides, reopen, new, announce)
        except RoundBusy as busy:
            if not when_pending:
                raise
            name_run(f"busy: {busy}")
            return None
        except WaitingForPeople as waiting:
            continuing = pause(target, waiting.wait)
            if not continuing:
                return None


def _continue(workspace: Workspace, announce: Announce) -> RoundRecord | None:
    """Continue a round after a wait; if another run has finished it, return its record."""
    if not records.unfinished(workspace):
        return records.last(workspace)
    return _round(workspace, (), reopen=False, new=True, announce=announce)


def _nothing_to_do(
    workspace: Workspace, overrides: Sequence[str], when_pending: bool, when_new_feedback: bool
) -> str | None:
    """Why no round runs now; None if one does."""
    if not (when_pending or when_new_feedback) or records.unfinished(workspace):
        return None
    if when_new_feedback and (reason := nothing_new(workspace, overrides)):
        artifacts.skip(workspace, reason)
        return reason
    if when_pending:
        waiting = readiness(workspace, overrides)
        if waiting.cause is None:
            return str(waiting)
        get_run_logger().info("a round starts: %s", waiting.cause)
    return None


def _round(
    workspace: Workspace,
    overrides: Sequence[str],
    reopen: bool,
    new: bool,
    announce: Announce,
) -> RoundRecord | None:
    if not new and (record := answer(workspace, overrides)) is not None:
        name_run(f"nothing to do: round {record.number} has answered this request")
        return record
    if reopen:
        opening.checked(workspace, overrides)  # a request that is refused must not cost the open round
        opening.drop(workspace)
    running = _open(workspace, overrides, announce)
    if running.round.number == 0:
        artifacts.leave(running, bootstrap(running))
        running = _open(workspace, overrides, announce)
    record = improve(running)
    artifacts.leave(running, record)
    cancel_suspended(workspace)
    name_run(f"round {record.number}: {record.verdict.result}")
    announce_after_round(workspace, overrides)
    return record


def _open(workspace: Workspace, overrides: Sequence[str], announce: Announce) -> RunningRound:
    running = opening.start(workspace, overrides, as_task)
    announce(f"round {running.round.number}")
    name_run(f"round {running.round.number}")
    artifacts.link(running)
    return running


def bootstrap(running: RunningRound) -> RoundRecord:
    """Round 0: train the SFT model and make it the first champion."""
    running(collect)
    running(ingest)
    running(curate)
    running(sft)
    return closing.bootstrap(running)


def improve(running: RunningRound) -> RoundRecord:
    """Every later round: train, evaluate and register a candidate, and promote it if the verdict is promote."""
    running(collect)
    running(ingest)
    running(curate)
    running(sft)
    running(reward)
    running(policy)
    running(sample)
    await_votes(running.round)
    running(vote)
    running(evaluate)
    running(drift)
    running(verdict)
    approval.ask(running.round, running.key)
    return closing.close(running)
