"""A round of RLHF, in the order of its steps."""

from collections.abc import Callable, Sequence
from pathlib import Path

from prefect import flow

from core.errors import RoundBusy
from core.proxies import exempt_loopback
from flows.orchestration.limits import one_at_a_time
from flows.orchestration.pauses import let_go, pause, resumed
from flows.orchestration.progress import reporting
from flows.orchestration.steps import as_task
from flows.orchestration.title import entitle
from tasks.people import approval
from tasks.people.waiting import WaitingForPeople
from tasks.rounds import closing, opening
from tasks.rounds.request import answered
from tasks.rounds.running import RunningRound
from tasks.state import records
from tasks.state.intake import count
from tasks.state.record import RoundRecord
from tasks.state.workspace import Workspace, current_or_new
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
from tasks.tools.events import configured, send_feedback_ready

Announce = Callable[[str], None]
"""Tells those who find the workspace busy what is at work in it."""


@flow(name="round", validate_parameters=False)
def rlhf_round(
    overrides: Sequence[str] = (),
    workspace: str | None = None,
    when_pending: bool = False,
    wait: float = 0.0,
    reopen: bool = False,
    new: bool = True,
) -> RoundRecord | None:
    """feedback → preferences → reward model → policy → evaluation → verdict → registry.

    With `when_pending`, only where a round was left unfinished, or enough feedback waits and no other round runs; else
    the run ends well and at once, and its name says why. Without `new`, a round that somebody else finished meanwhile
    and that answers the same request is not run a second time.

    Where the round has to wait for people, a deployed run is suspended and holds nothing meanwhile; any other ends
    well, and the round is continued like one that was cut short. None says that no round was finished.
    """
    exempt_loopback()
    place = current_or_new(Path(workspace) if workspace else None)
    again = resumed()  # a run that was suspended goes on with its round, and opens none
    while True:
        try:
            with one_at_a_time(place, wait) as announce, reporting():
                if again:
                    return _rest(place, announce)
                return _round(place, overrides, when_pending, reopen, new, announce)
        except RoundBusy as busy:
            if not when_pending:
                raise
            entitle(f"busy: {busy}")
            return None
        except WaitingForPeople as waiting:
            again = pause(place, waiting.wait)
            if not again:
                return None


def _rest(workspace: Workspace, announce: Announce) -> RoundRecord | None:
    """What is left of a round after a wait; its record where somebody else has finished it."""
    if not records.unfinished(workspace):
        return records.last(workspace)
    return _round(workspace, (), when_pending=False, reopen=False, new=True, announce=announce)


def _round(
    workspace: Workspace,
    overrides: Sequence[str],
    when_pending: bool,
    reopen: bool,
    new: bool,
    announce: Announce,
) -> RoundRecord | None:
    if when_pending and not records.unfinished(workspace) and not (waiting := count(workspace, overrides)).enough:
        entitle(f"nothing to do: {waiting}")
        return None
    if not new and (record := answered(workspace, overrides)) is not None:
        return record
    if reopen:
        opening.drop(workspace)
    running = _open(workspace, overrides, announce)
    if running.round.number == 0:
        bootstrap(running)
        running = _open(workspace, overrides, announce)
    record = improve(running)
    let_go(workspace)
    entitle(f"round {record.number}: {record.verdict.result}")
    if configured() and (waiting := count(workspace, overrides)).enough:  # what came while the round ran
        send_feedback_ready(workspace, *waiting)
    return record


def _open(workspace: Workspace, overrides: Sequence[str], announce: Announce) -> RunningRound:
    running = opening.start(workspace, overrides, as_task)
    announce(f"round {running.round.number}")
    entitle(f"round {running.round.number}")
    return running


def bootstrap(running: RunningRound) -> RoundRecord:
    """Round 0: train the SFT model and make it champion, so that there is something to improve."""
    running(collect)
    running(ingest)
    running(curate)
    running(sft)
    return closing.bootstrap(running)


def improve(running: RunningRound) -> RoundRecord:
    """Every other round: a candidate is trained, judged, registered, and promoted where the verdict says so."""
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
