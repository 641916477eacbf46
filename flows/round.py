"""A round of RLHF, in the order of its steps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import flow

from flows.limits import one_at_a_time
from tasks import closing, opening, records
from tasks.collect import collect
from tasks.curate import curate
from tasks.drift import drift
from tasks.evaluate import evaluate
from tasks.ingest import ingest, pending
from tasks.policy import policy
from tasks.reward import reward
from tasks.running import Running
from tasks.sft import sft
from tasks.verdict import verdict
from tasks.workspace import Workspace, current

Record = dict[str, Any]


@flow(name="round", validate_parameters=False)
def rlhf_round(
    overrides: Sequence[str] = (),
    workspace: str | None = None,
    when_pending: bool = False,
    wait: float = 0.0,
) -> Record | None:
    """feedback → preferences → reward model → policy → evaluation → verdict → registry."""
    place = current(Path(workspace) if workspace else None)
    with one_at_a_time(place, wait):
        if when_pending and not _enough(place, overrides):
            return None
        running = opening.start(place, overrides)
        if running.round.number == 0:
            bootstrap(running)
            running = opening.start(place, overrides)
        return improve(running)


def bootstrap(running: Running) -> Record:
    """Round 0: train the SFT model and make it champion, so that there is something to improve."""
    running(collect)
    running(ingest)
    running(curate)
    running(sft)
    return closing.bootstrap(running)


def improve(running: Running) -> Record:
    """Every other round: a candidate is trained, judged, registered, and promoted where the verdict says so."""
    running(collect)
    running(ingest)
    running(curate)
    running(sft)
    running(reward)
    running(policy)
    running(evaluate)
    running(drift)
    running(verdict)
    return closing.close(running)


def _enough(place: Workspace, overrides: Sequence[str]) -> bool:
    """True where a round was left unfinished, or as much feedback waits as `ingest.threshold` asks for."""
    return records.unfinished(place) or pending(place) >= opening.effective(place, overrides).ingest.threshold
