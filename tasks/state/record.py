"""The record of a round as a value: what a finished round answers when it is asked for again."""

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
    """Key of the round before."""
    finished: str
    """UTC time, ISO 8601."""
    opened: Opened
    experiment: str
    """MLflow's experiment."""
    run_id: str
    """MLflow's run of the round."""
    version: str
    """Of the policy that was registered."""
    verdict: Verdict
    batch: str | None = None
    """The name of the pairs that were voted on; None in round 0, and in records from before it was noted."""
    new_feedback: int
    """Events that the round took in."""
    metrics: Numbers
    """Each under its step's name: `evaluate/win_rate`."""
    times: dict[str, Seconds]
    """By step. A step that was skipped is not there."""
    examples: tuple[Example, ...]
    inputs: Inputs
