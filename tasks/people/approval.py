"""Sign-off: where the verdict is promote, a person may have the last word. A pause of the flow, not a gate."""

from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from core.errors import RoundsError
from core.files import digest, read_json
from core.knobs import BaseSettings
from core.stored import Stored
from evaluation.verdict import Finding, Verdict
from tasks.people import waiting
from tasks.people.waiting import Candidate, Wait, WaitingForPeople
from tasks.registry import audit
from tasks.state.round import Round
from tasks.state.workspace import Workspace


class NotAsked(RoundsError):
    """No candidate of this round waits for a person's word."""


class AlreadyDecided(NotAsked):
    """Somebody has decided, or the time is up."""


class ApprovalSettings(BaseSettings):
    """Whether a person has to sign before a candidate becomes champion."""

    required: bool = False
    """Ask, where the verdict is promote; without a yes it becomes hold."""
    wait: float = Field(259_200, gt=0)
    """Seconds after which nobody's word means hold."""


class ApprovalDecision(Stored):
    """A person's word on one candidate."""

    round: int
    key: str
    """The round's key."""
    candidate: str
    """SHA-256 of its weights."""
    approve: bool
    by: str
    why: str
    at: str
    """UTC time, ISO 8601."""

    def __str__(self) -> str:
        return f"was {'approved' if self.approve else 'refused'} by {self.by}: {self.why}"


def ask(round: Round, key: str) -> None:
    """Let a round go on to its end: at once, or, where a person has to sign, when one has or the time is up.

    Raises:
        Waiting: it is too early.
    """
    workspace, knobs = round.workspace, round.knobs("approval", ApprovalSettings)
    if not knobs.required or Verdict.from_json(read_json(workspace.report("verdict"))).result != "promote":
        return
    with waiting.changing(workspace):
        about = Candidate(key=key, candidate=digest(workspace.checkpoint("policy")))
        wait = waiting.begin(workspace, "approval", knobs.wait, about)
        if wait.ended:
            return
        if decided(workspace, wait) is None and not wait.past:
            raise WaitingForPeople(wait)
        waiting.end(workspace, wait)


def decide(workspace: Workspace, number: int, approve: bool, by: str, why: str) -> ApprovalDecision:
    """Write down a person's word on the candidate of the round that waits for it: audit log first, then the record.

    Raises:
        Decided: somebody has decided, or the time is up; says which.
        NotAsked: the round does not wait for it, or name or reason are missing.
    """
    by, why = by.strip(), why.strip()
    if not by or not why:
        raise NotAsked("a decision needs a name and a reason")
    with waiting.changing(workspace):
        wait = waiting.now(workspace)
        if wait is None or not isinstance(wait.about, Candidate) or wait.round != number:
            open_for = f"; round {wait.round} waits for {wait.what}" if wait else ""
            raise NotAsked(
                f"round {number} does not wait for approval in {workspace.root}{open_for}; see `rounds status`"
            )
        if wait.past:
            raise AlreadyDecided(f"round {number}: the time to approve ended at {wait.deadline}; the verdict is hold")
        if made := decided(workspace, wait):
            raise AlreadyDecided(f"the candidate of round {number} {made} ({made.at}); to change it, `rounds promote`")
        at = datetime.now(UTC).isoformat(timespec="seconds")
        made = ApprovalDecision(round=number, **wait.about.model_dump(), approve=approve, by=by, why=why, at=at)
        event = "approval" if approve else "refusal"
        audit.append(workspace.audit, event, by, round=number, key=made.key, digest=made.candidate, reason=why)
        made.save(_path(workspace, number))
    return made


def decided(workspace: Workspace, wait: Wait) -> ApprovalDecision | None:
    """What a person said of the candidate that a wait is about; None where nobody did."""
    return _read(workspace, wait.round, wait.about) if isinstance(wait.about, Candidate) else None


def decision(round: Round, key: str) -> ApprovalDecision | None:
    """What a person said of this round's candidate; None where nobody did."""
    candidate = digest(round.workspace.checkpoint("policy"))
    return _read(round.workspace, round.number, Candidate(key=key, candidate=candidate))


def applied(round: Round, key: str, verdict: Verdict) -> Verdict:
    """The verdict of the gates with a person's word as one more finding, where one was asked for it."""
    if not round.knobs("approval", ApprovalSettings).required or verdict.result != "promote":
        return verdict
    return verdict.with_finding(_finding(round, decision(round, key)))


def _finding(round: Round, made: ApprovalDecision | None) -> Finding:
    if made is not None:
        return Finding(gate="approval", result="promote" if made.approve else "hold", reason=f"the candidate {made}")
    wait = waiting.of(round.workspace, "approval")
    until = f" until {wait.deadline}" if wait else ""
    return Finding(gate="approval", result="hold", reason=f"nobody signed{until}")


def _read(workspace: Workspace, number: int, about: Candidate) -> ApprovalDecision | None:
    path = _path(workspace, number)
    made = ApprovalDecision.load(path) if path.exists() else None
    return made if made and Candidate(key=made.key, candidate=made.candidate) == about else None


def _path(workspace: Workspace, number: int) -> Path:
    return workspace.approval(number)
