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
    place = opened(tmp_path)
    asks(place)
    found = rounds.read(place)
    return Round(**{**vars(found), "values": {"approval": {"required": True}}})


def asks(place: Workspace, seconds: float = 3600) -> None:
    about = Candidate(key=KEY, candidate=digest(place.checkpoint("policy")))
    waiting.begin(place, "approval", seconds, about)


def findings(round: Round) -> list[tuple[str, str]]:
    verdict = approval.applied(round, KEY, GATES)
    assert verdict.result == verdict.findings[-1].result
    return [(finding.result, finding.reason) for finding in verdict.findings[1:]]


def test_a_yes_is_recorded_audited_and_one_more_finding(round: Round) -> None:
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


def test_a_no_is_hold(round: Round) -> None:
    approval.decide(round.workspace, 3, False, "bo", "too curt")
    assert findings(round) == [("hold", "the candidate was refused by bo: too curt")]
    assert [line.event for line in audit.read(round.workspace.audit)] == ["refusal"]


def test_nobodys_word_is_hold_and_a_late_one_is_refused(tmp_path: Path) -> None:
    place = opened(tmp_path)
    asks(place, 0)
    with pytest.raises(AlreadyDecided, match="the time to approve ended at"):
        approval.decide(place, 3, True, "ana", "late")
    round = Round(**{**vars(rounds.read(place)), "values": {"approval": {"required": True}}})
    [(result, reason)] = findings(round)
    assert (result, reason.startswith("nobody signed until 20")) == ("hold", True)
    assert audit.read(place.audit) == []


def test_the_first_word_stands(round: Round) -> None:
    approval.decide(round.workspace, 3, True, "ana", "good")
    with pytest.raises(AlreadyDecided, match="the candidate of round 3 was approved by ana: good"):
        approval.decide(round.workspace, 3, False, "bo", "bad")


def test_a_word_on_another_candidate_does_not_count(round: Round) -> None:
    approval.decide(round.workspace, 3, True, "ana", "good")
    write_text(round.workspace.checkpoint("policy") / "weights", "another's")
    [(result, reason)] = findings(round)
    assert (result, reason.startswith("nobody signed")) == ("hold", True)


@pytest.mark.parametrize(("number", "by", "why"), [(2, "ana", "good"), (3, " ", "good"), (3, "ana", "")])
def test_what_is_no_decision_is_refused(round: Round, number: int, by: str, why: str) -> None:
    with pytest.raises(NotAsked):
        approval.decide(round.workspace, number, True, by, why)
    assert audit.read(round.workspace.audit) == []


def test_nobody_is_asked_about_what_the_gates_hold_or_where_no_approval_is_required(round: Round) -> None:
    held = Verdict(findings=(Finding(gate="win_rate", result="hold", reason="too few votes"),))
    assert approval.applied(round, KEY, held) == held
    free = Round(**{**vars(round), "values": {}})
    assert approval.applied(free, KEY, GATES) == GATES
