"""People prefer the candidate to the champion."""

from pydantic import Field

from evaluation.evals.judge import JUDGE_PROMPTS, JUDGE_WIN_RATE
from evaluation.evals.votes import CANDIDATE_LEFT, VOTE_GROUPS, VOTES, WIN_RATE
from evaluation.gates import Gate
from evaluation.statistics.intervals import Interval
from evaluation.statistics.wording import percent, spread
from evaluation.verdict import Finding, GateInputs, interval


class WinRateGate(Gate):
    """The candidate wins significantly more than half of the fresh votes: the 95 % interval is above 50 %."""

    min_votes: int = Field(200, ge=1)
    """Fresh votes needed for a decision."""
    min_groups: int = Field(20, ge=2)
    """Prompt groups that the votes must cover: votes on one prompt say nothing about the others."""
    sides: float = Field(0.15, ge=0, le=0.5)
    """How far the share of votes with the candidate on the left may be from one half: sides must be random."""

    def check(self, inputs: GateInputs) -> Finding:
        """Judge by fresh votes; by the judge model only if it is trusted and there are none.

        Hold if the deadline passed before people had given all requested votes.
        """
        finding = self._judged(inputs)
        given = int(inputs.candidate.get(VOTES.full, 0))
        if finding.result == "promote" and given < inputs.votes_asked:
            missing = f"but only {given} of {inputs.votes_asked} requested votes arrived before the deadline"
            return self.finding("hold", f"{finding.reason}; {missing}", **finding.numbers)
        return finding

    def _judged(self, inputs: GateInputs) -> Finding:
        votes = interval(inputs.candidate, WIN_RATE.full, VOTES.full)
        if votes is None:
            return self._without_votes(inputs)
        groups = int(inputs.candidate.get(VOTE_GROUPS.full, 0))
        if votes.n < self.min_votes or groups < self.min_groups:
            return self.finding(
                "hold",
                f"{votes.n} fresh votes on {groups} prompt groups are too few: "
                f"{self.min_votes} on {self.min_groups} are needed",
                votes=votes.n,
                vote_groups=groups,
            )
        left = inputs.candidate.get(CANDIDATE_LEFT.full, 0.5)
        if abs(left - 0.5) > self.sides:
            reason = f"the candidate was on the left in {percent(left)} of the votes: sides must be assigned at random"
            return self.finding("hold", reason, candidate_left=left)
        return self._decide("fresh votes", votes, "votes")

    def _without_votes(self, inputs: GateInputs) -> Finding:
        judge = interval(inputs.candidate, JUDGE_WIN_RATE.full, JUDGE_PROMPTS.full)
        if judge is None or not inputs.trust_judge:
            return self.finding("hold", "no fresh votes compare the candidate with the champion")
        return self._decide("prompts by the judge model (no fresh votes)", judge, "prompts")

    def _decide(self, comparisons: str, rate: Interval, rows: str) -> Finding:
        numbers = rate.named(WIN_RATE)
        reason = f"the candidate wins {percent(rate.estimate)} of {comparisons} {spread(rate, rows)}"
        if rate.low > 0.5:
            return self.finding("promote", f"{reason}: significantly above 50 %", **numbers)
        if rate.high < 0.5:
            return self.finding("reject", f"{reason}: significantly below 50 %", **numbers)
        return self.finding("hold", f"{reason}: not significantly different from 50 %", **numbers)
