"""What is shown of a candidate before a person approves it."""

from pathlib import Path

import pytest

from core.files import write_json
from evaluation.verdict import Finding, Verdict
from tasks.people import candidate_review, waiting
from tasks.people.waiting import Candidate, VotesNeeded
from tasks.state.reports import EvaluateReport, Example, StepReport
from tasks.state.workspace import Workspace
from tests.tasks.people.waiting_round import opened

FINDING = Finding(gate="win_rate", result="promote", reason="60 % of 9", numbers={"win_rate": 0.6})
EXAMPLE = Example(prompt="Open?", before="Maybe.", after="Yes, until six.")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Round 3 has evaluated its candidate."""
    return evaluated(opened(tmp_path))


def evaluated(workspace: Workspace) -> Workspace:
    """With the reports of `reward`, `evaluate` and the gates."""
    StepReport(metrics={"accuracy": 0.7}).save(workspace.report("reward"))
    EvaluateReport(metrics={"win_rate": 0.6}, examples=(EXAMPLE,)).save(workspace.report("evaluate"))
    write_json(workspace.report("verdict"), Verdict(findings=(FINDING,)).to_json())
    return workspace


def test_gates_metrics_and_answers_of_the_candidate_that_waits(workspace: Workspace) -> None:
    waiting.begin(workspace, "approval", 3600, Candidate(key="ab", candidate="c" * 64))
    review = candidate_review.of(workspace, 3)
    assert review is not None
    assert (review.number, review.digest) == (3, "c" * 64)
    assert review.verdict.findings == (FINDING,)
    assert review.metrics == {"reward/accuracy": 0.7, "evaluate/win_rate": 0.6}
    assert review.examples == (EXAMPLE,)


def test_a_round_that_waits_for_votes_shows_nothing_to_those_who_may_vote(workspace: Workspace) -> None:
    waiting.begin(workspace, "votes", 3600, VotesNeeded(votes=2))
    assert candidate_review.of(workspace, 3) is None


def test_another_round_and_one_that_was_decided_have_no_candidate(workspace: Workspace) -> None:
    assert candidate_review.of(workspace, 3) is None
    wait = waiting.begin(workspace, "approval", 3600, Candidate(key="ab", candidate="c" * 64))
    assert candidate_review.of(workspace, 2) is None
    waiting.end(workspace, wait)
    assert candidate_review.of(workspace, 3) is None
