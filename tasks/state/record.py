"""The record of a finished round as a typed value. Requesting the same round again returns it."""

from core.stored import Stored
from evaluation.verdict import Verdict
from tasks.state.inputs import Inputs
from tasks.state.opened import Opened
from tasks.state.reports import Example, Numbers, Seconds


class RoundRecord(Stored):
    """The inputs and results of a finished round."""

    number: int
    key: str
    parent: str | None
    """Key of the previous round."""
    finished: str
    """UTC time, ISO 8601."""
    opened: Opened
    experiment: str
    """Id of the MLflow experiment."""
    run_id: str
    """Id of the round's MLflow run."""
    version: str
    """Version of the registered policy."""
    verdict: Verdict
    batch: str | None = None
    """Id of the set of pairs that was voted on; None in round 0 and in older records that lack it."""
    new_feedback: int
    """Number of feedback events that the round ingested."""
    metrics: Numbers
    """By step and name: `evaluate/win_rate`."""
    times: dict[str, Seconds]
    """By step; skipped steps are missing."""
    examples: tuple[Example, ...]
    inputs: Inputs
