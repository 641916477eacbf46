"""Approval: if the verdict is `promote`, a person may have to approve the candidate. Not a gate; the flow pauses."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from core.errors import RoundsError
from core.files import digest, read_json
from core.settings import BaseSettings
from core.shown import noted
from core.stored import Stored
from evaluation.verdict import Finding, Verdict
from tasks.people import waiting
from tasks.people.waiting import Candidate, Wait, WaitingForPeople
from tasks.registry import audit
from tasks.state.round import Round
from tasks.state.workspace import Workspace
from tasks.tools.events import Resumption, resume

_OVERRULE = (
    "to overrule that, finish the round with `rounds round`, then use `rounds promote VERSION --reason …`; "
    "`rounds status` shows the version"
)


class NotAsked(RoundsError):
    """The round does not wait for approval, or the decision is incomplete."""


class AlreadyDecided(NotAsked):
    """Somebody has decided already, or the deadline has passed."""


class ApprovalSettings(BaseSettings):
    """Whether a person has to approve a candidate before it becomes champion."""

    required: bool = False
    """Wait for approval if the verdict is `promote`; without approval it becomes `hold`."""
    wait: float = Field(259_200, gt=0)
    """Timeout in seconds; if nobody decides in time, the verdict becomes `hold`."""


class ApprovalDecision(Stored):
    """A person's decision on one candidate."""

    round: int
    key: str
    """The round's key."""
    candidate: str
    """SHA-256 (hex) of its weights."""
    approve: bool
    by: str
    why: str
    at: str
    """UTC time, ISO 8601."""

    def __str__(self) -> str:
        return f"was {'approved' if self.approve else 'refused'} by {self.by}: {self.why}"


def ask(round: Round, key: str) -> None:
    """Return if the round may continue: no approval is needed, a person has decided, or the deadline has passed.

    Raises:
        WaitingForPeople: none of these is the case.
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
    """Record a person's decision on the candidate of the waiting round: first in the audit log, then in its file.

    The same decision by the same person for the same reason, made again, is the one that was made.

    Raises:
        AlreadyDecided: somebody has decided otherwise, or the deadline has passed; the message says which.
        NotAsked: the round does not wait for approval, or name or reason is empty.
    """
    by, why = noted(by.strip()), noted(why.strip())
    if not by or not why:
        raise NotAsked("a decision needs a name and a reason; add --by and --why")
    with waiting.changing(workspace):
        wait = waiting.now(workspace)
        begun = waiting.of(workspace, "approval")  # it may have ended since
        made = decided(workspace, begun) if begun and begun.round == number else None
        if made and (made.approve, made.by, made.why) == (approve, by, why):
            return made
        if wait is None or not isinstance(wait.about, Candidate) or wait.round != number:
            open_for = f"; round {wait.round} waits for {wait.what}" if wait else ""
            raise NotAsked(
                f"round {number} does not wait for approval in {workspace.root}{open_for}; see `rounds status`"
            )
        if wait.past:
            raise AlreadyDecided(
                f"round {number}: the deadline for approval was {wait.deadline}, so its verdict is hold; {_OVERRULE}"
            )
        if made:
            raise AlreadyDecided(f"the candidate of round {number} {made} ({made.at}); {_OVERRULE}")
        at = datetime.now(UTC).isoformat(timespec="seconds")
        decision = ApprovalDecision(round=number, **wait.about.model_dump(), approve=approve, by=by, why=why, at=at)
        event = "approval" if approve else "refusal"
        audit.append(workspace.audit, event, by, round=number, key=decision.key, digest=decision.candidate, reason=why)
        decision.save(_path(workspace, number))
    return decision


class ApprovalResult(NamedTuple):
    """A decision, and whether it resumed a suspended run of Prefect."""

    decision: ApprovalDecision
    resumption: Resumption


def decide_and_resume(workspace: Workspace, number: int, approve: bool, by: str, why: str) -> ApprovalResult:
    """`decide`, then resume the run that waits for the decision.

    Raises:
        AlreadyDecided, NotAsked: see `decide`.
    """
    wait = waiting.of(workspace, "approval")
    made = decide(workspace, number, approve, by, why)
    run = wait.flow_run if wait and wait.round == number else None
    return ApprovalResult(made, resume(run, {"approve": made.approve, "by": made.by, "why": made.why}))


def decided(workspace: Workspace, wait: Wait) -> ApprovalDecision | None:
    """The decision that a wait is for; None if nobody has decided."""
    return _read(workspace, wait.round, wait.about) if isinstance(wait.about, Candidate) else None


def decision(round: Round, key: str) -> ApprovalDecision | None:
    """The decision on this round's candidate; None if nobody has decided."""
    candidate = digest(round.workspace.checkpoint("policy"))
    return _read(round.workspace, round.number, Candidate(key=key, candidate=candidate))


def applied(round: Round, key: str, verdict: Verdict) -> Verdict:
    """The verdict, with the decision as an additional finding if the round required approval."""
    if not round.knobs("approval", ApprovalSettings).required or verdict.result != "promote":
        return verdict
    return verdict.with_finding(_finding(round, decision(round, key)))


def _finding(round: Round, made: ApprovalDecision | None) -> Finding:
    if made is not None:
        return Finding(gate="approval", result="promote" if made.approve else "hold", reason=f"the candidate {made}")
    wait = waiting.of(round.workspace, "approval")
    until = f" until {wait.deadline}" if wait else ""
    return Finding(gate="approval", result="hold", reason=f"nobody decided{until}")


def _read(workspace: Workspace, number: int, about: Candidate) -> ApprovalDecision | None:
    path = _path(workspace, number)
    stored = ApprovalDecision.load(path) if path.exists() else None
    return stored if stored and Candidate(key=stored.key, candidate=stored.candidate) == about else None


def _path(workspace: Workspace, number: int) -> Path:
    return workspace.approval(number)
