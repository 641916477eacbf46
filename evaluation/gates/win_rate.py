"""People prefer the candidate to the champion."""

from pydantic import Field

from evaluation.evals.judge import JUDGE_PROMPTS, JUDGE_WIN_RATE
from evaluation.evals.votes import CANDIDATE_LEFT, VOTE_GROUPS, VOTES, WIN_RATE
from evaluation.gates import Gate
from evaluation.statistics.intervals import Interval
from evaluation.statistics.wording import percent, spread
from evaluation.verdict import Finding, GateInputs, interval


class WinRateGate(Gate):
    """The candidate wins more than half of the fresh votes, and not by chance: the interval lies above 50 %."""

    min_votes: int = Field(200, ge=1)
    """Fresh votes below which nothing is decided."""
    min_groups: int = Field(20, ge=2)
    """Prompt groups that the votes have to spread over: votes on one prompt say nothing of the others."""
    sides: float = Field(0.15, ge=0, le=0.5)
    """How far the share of votes with the candidate on the left may lie from one half: sides are to be random."""

    def check(self, evidence: GateInputs) -> Finding:
        """Judge by fresh votes; by the judge model only where it is trusted and there are none.

        Where the time was up before people gave the votes that they were asked for, the candidate has to wait.
        """
        finding = self._judged(evidence)
        given = int(evidence.candidate.get(VOTES.full, 0))
        if finding.result == "promote" and given < evidence.votes_asked:
            short = f"but the time was up with {given} of the {evidence.votes_asked} votes that people were asked for"
            return self.found("hold", f"{finding.reason}; {short}", **finding.numbers)
        return finding

    def _judged(self, evidence: GateInputs) -> Finding:
        votes = interval(evidence.candidate, WIN_RATE.full, VOTES.full)
        if votes is None:
            return self._without_votes(evidence)
        groups = int(evidence.candidate.get(VOTE_GROUPS.full, 0))
        if votes.n < self.min_votes or groups < self.min_groups:
            return self.found(
                "hold",
                f"{votes.n} fresh votes on {groups} prompt groups are too few: "
                f"{self.min_votes} on {self.min_groups} are needed",
                votes=votes.n,
                vote_groups=groups,
            )
        left = evidence.candidate.get(CANDIDATE_LEFT.full, 0.5)
        if abs(left - 0.5) > self.sides:
            said = f"the candidate stood on the left in {percent(left)} of the votes: sides have to be drawn at random"
            return self.found("hold", said, candidate_left=left)
        return self._decide("fresh votes prefer", votes, "votes")

    def _without_votes(self, evidence: GateInputs) -> Finding:
        judge = interval(evidence.candidate, JUDGE_WIN_RATE.full, JUDGE_PROMPTS.full)
        if judge is None or not evidence.trust_judge:
            return self.found("hold", "no fresh votes: nobody has compared the candidate with the champion yet")
        return self._decide("no fresh votes; the judge model prefers", judge, "prompts")

    def _decide(self, who: str, rate: Interval, rows: str) -> Finding:
        numbers = rate.named(WIN_RATE)
        said = f"{who} the candidate {percent(rate.estimate)} of the time {spread(rate, rows)}"
        if rate.low > 0.5:
            return self.found("promote", f"{said}: above 50 %", **numbers)
        if rate.high < 0.5:
            return self.found("reject", f"{said}: below 50 %", **numbers)
        return self.found("hold", f"{said}: can't be told from 50 %", **numbers)
