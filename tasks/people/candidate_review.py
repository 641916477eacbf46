"""What a person reads before they approve a candidate: its gates, its metrics, and answers beside the champion's."""

from typing import NamedTuple

from core.files import read_json
from evaluation.verdict import Verdict
from tasks.people import waiting
from tasks.people.waiting import Candidate
from tasks.state import reports
from tasks.state import round as rounds
from tasks.state.reports import EvaluateReport, Example, Numbers
from tasks.state.steps import MEASURING
from tasks.state.workspace import Workspace


class CandidateReview(NamedTuple):
    """The candidate of the round that waits for approval."""

    number: int
    """Of the round."""
    digest: str
    """SHA-256 (hex) of its weights."""
    deadline: str
    """Until when a decision counts."""
    verdict: Verdict
    """Of the gates."""
    metrics: Numbers
    """By step and name: `evaluate/win_rate`."""
    examples: tuple[Example, ...]
    """Answers to held-out prompts."""


def of(workspace: Workspace, number: int) -> CandidateReview | None:
    """The candidate of a round; None if the round does not wait for approval.

    Raises:
        Damaged: a report of the round is incomplete or invalid.
    """
    wait = waiting.now(workspace)
    if wait is None or wait.round != number or not isinstance(wait.about, Candidate):
        return None
    evaluated = workspace.report("evaluate")
    return CandidateReview(
        number,
        wait.about.candidate,
        wait.deadline,
        Verdict.from_json(read_json(workspace.report("verdict"))),
        reports.metrics(rounds.read(workspace), MEASURING),
        EvaluateReport.load(evaluated).examples if evaluated.exists() else (),
    )
