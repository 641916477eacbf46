"""The state of an open round's wait for people, as text: progress, deadline, and how to continue."""

import math
from typing import NamedTuple

from tasks.people import approval, polls, waiting
from tasks.people.waiting import Candidate, VotesNeeded, Wait
from tasks.state.workspace import Workspace


class WaitStatus(NamedTuple):
    """A round that waits for people."""

    wait: Wait
    summary: str
    """What the round waits for, the progress and the deadline."""
    ready: bool
    """True if people are done or the deadline has passed, so that the round can continue."""

    def __str__(self) -> str:
        action = "" if self.ready else f" {_ACTIONS[self.wait.what].format(self.wait.round)}; then"
        return f"{self.summary[0].upper()}{self.summary[1:]}.{action} `rounds round` continues it."


_ACTIONS = {
    "votes": "People vote on the page /label of the server, or in files: `rounds votes pull` hands out pairs, "
    "`rounds votes push FILE` stores votes",
    "approval": "An operator decides on the page /dashboard of the server, or here: `rounds approve {} --by NAME "
    "--why REASON` approves the candidate, with `--refuse` it refuses it",
}


def pending(workspace: Workspace) -> WaitStatus | None:
    """What the open round waits for; None if it does not wait."""
    wait = waiting.now(workspace)
    if wait is None:
        return None
    about = wait.about
    progress, done = _votes(workspace, about) if isinstance(about, VotesNeeded) else _approval(workspace, wait, about)
    until = f"the deadline was {wait.deadline}" if wait.past else f"it waits until {wait.deadline}"
    return WaitStatus(wait, f"round {wait.round} waits for {wait.what}: {progress}; {until}", done or wait.past)


def _votes(workspace: Workspace, wanted: VotesNeeded) -> tuple[str, bool]:
    cast, pairs = polls.count(workspace), len(polls.handed_out(workspace))
    progress = f"{cast} of {wanted.votes} are in"
    if wanted.votes > pairs > 0:  # one vote per person and pair
        progress += f", on {pairs} pairs, so at least {math.ceil(wanted.votes / pairs)} people have to vote"
    return progress, cast >= wanted.votes


def _approval(workspace: Workspace, wait: Wait, about: Candidate) -> tuple[str, bool]:
    made = approval.decided(workspace, wait)
    return f"its candidate {about.candidate[:12]} {made or 'passed every gate'}", made is not None
