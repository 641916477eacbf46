from pathlib import Path

import pytest

from core.files import digest, write_text
from evaluation.verdict import Finding, Verdict
from tasks.people import approval, waiting
from tasks.people.approval import AlreadyDecided, NotAsked
from tasks.people.waiting import Candidate
from tasks.registry import audit
from tasks.state import round as rounds
from tasks.state.round import Round
from tasks.state.workspace import Workspace
from tests.tasks.people.waiting_round import opened

KEY = "ab" * 8
GATES = Verdict(findings=(Finding(gate="win_rate", result="promote", reason="they like it"),))


@pytest.fixture
def round(tmp_path: Path) -> Round:
    """Round 3 waits for approval."""
    workspace = opened(tmp_path)
    begin_wait(workspace)
    opened_round = rounds.read(workspace)
    return Round(**{**vars(opened_round), "values": {"approval": {"required": True}}})


def begin_wait(workspace: Workspace, seconds: float = 3600) -> None:
    about = Candidate(key=KEY, candidate=digest(workspace.checkpoint("policy")))
    waiting.begin(workspace, "approval", seconds, about)


def findings(round: Round) -> list[tuple[str, str]]:
    verdict = approval.applied(round, KEY, GATES)
    assert verdict.result == verdict.findings[-1].result
    return [(finding.result, finding.reason) for finding in verdict.findings[1:]]


def test_an_approval_is_recorded_audited_and_an_additional_finding(round: Round) -> None:
    made = approval.decide(round.workspace, 3, True, " ana ", "read twenty answers")
    assert (made.by, made.key, made.candidate) == ("ana", KEY, digest(round.workspace.checkpoint("policy")))
    assert findings(round) == [("promote", "the candidate was approved by ana: read twenty answers")]
    [line] = audit.read(round.workspace.audit)
    assert (line.event, line.who, line.facts["round"], line.facts["reason"]) == (
        "approval",
        "ana",
        3,
        "read twenty answers",
    )
    assert audit.verify(round.workspace.audit) == []


def test_a_refusal_is_hold(round: Round) -> None:
    approval.decide(round.workspace, 3, False, "bo", "too curt")
    assert findings(round) == [("hold", "the candidate was refused by bo: too curt")]
    assert [line.event for line in audit.read(round.workspace.audit)] == ["refusal"]


def test_no_decision_is_hold_and_a_late_one_is_refused(tmp_path: Path) -> None:
    workspace = opened(tmp_path)
    begin_wait(workspace, 0)
    with pytest.raises(AlreadyDecided, match=" UTC"):
        approval.decide(workspace, 3, True, "ana", "late")
    round = Round(**{**vars(rounds.read(workspace)), "values": {"approval": {"required": True}}})
    [(result, reason)] = findings(round)
    assert (result, " UTC" in reason) == ("hold", True)
    assert audit.read(workspace.audit) == []


def test_the_first_decision_counts(round: Round) -> None:
    approval.decide(round.workspace, 3, True, "ana", "good")
    with pytest.raises(AlreadyDecided, match=r"round 3 .*ana: good"):
        approval.decide(round.workspace, 3, False, "bo", "bad")


def test_the_same_decision_made_again_is_the_one_that_was_made_also_when_the_round_has_continued(round: Round) -> None:
    made = approval.decide_and_resume(round.workspace, 3, True, "ana", "good")
    assert made.resumption == (False, "")
    assert approval.decide_and_resume(round.workspace, 3, True, " ana", "good ") == made
    wait = waiting.of(round.workspace, "approval")
    assert wait is not None
    waiting.end(round.workspace, wait)
    assert approval.decide_and_resume(round.workspace, 3, True, "ana", "good") == made
    assert len(audit.read(round.workspace.audit)) == 1
    with pytest.raises(NotAsked, match="round 3 does not wait for approval"):
        approval.decide_and_resume(round.workspace, 3, False, "ana", "good")


def test_a_decision_on_another_candidate_does_not_count(round: Round) -> None:
    approval.decide(round.workspace, 3, True, "ana", "good")
    write_text(round.workspace.checkpoint("policy") / "weights", "another's")
    [(result, reason)] = findings(round)
    assert (result, " UTC" in reason) == ("hold", True)


@pytest.mark.parametrize(("number", "by", "why"), [(2, "ana", "good"), (3, " ", "good"), (3, "ana", "")])
def test_an_incomplete_decision_is_refused(round: Round, number: int, by: str, why: str) -> None:
    with pytest.raises(NotAsked):
        approval.decide(round.workspace, number, True, by, why)
    assert audit.read(round.workspace.audit) == []


def test_a_held_candidate_or_a_round_without_approval_gets_no_finding(round: Round) -> None:
    held = Verdict(findings=(Finding(gate="win_rate", result="hold", reason="too few votes"),))
    assert approval.applied(round, KEY, held) == held
    free = Round(**{**vars(round), "values": {}})
    assert approval.applied(free, KEY, GATES) == GATES
