"""How the wait of an open round stands, in words: what is missing, until when, and what goes on with it."""

from typing import NamedTuple

from tasks.people import approval, polls, waiting
from tasks.people.waiting import Candidate, Wait, Wanted
from tasks.state.workspace import Workspace


class WaitStatus(NamedTuple):
    """A round that waits for people."""

    wait: Wait
    said: str
    """What for, how far that is, and until when."""
    ready: bool
    """People have done it, or the time is up: whoever continues the round goes on with it."""

    def __str__(self) -> str:
        cure = "" if self.ready else f" {_CURES[self.wait.what].format(self.wait.round)}; then"
        return f"{self.said[0].upper()}{self.said[1:]}.{cure} `rounds round` goes on."


_CURES = {
    "votes": "`rounds votes pull` hands out pairs, `rounds votes push FILE` takes votes in",
    "approval": "`rounds approve {} --by NAME --why REASON` promotes it, `--refuse` does not",
}


def pending(workspace: Workspace) -> WaitStatus | None:
    """What the open round waits for; None where it waits for nobody."""
    wait = waiting.now(workspace)
    if wait is None:
        return None
    about = wait.about
    said, done = _votes(workspace, about) if isinstance(about, Wanted) else _approval(workspace, wait, about)
    until = f"its time was up at {wait.deadline}" if wait.past else f"it waits until {wait.deadline}"
    return WaitStatus(wait, f"round {wait.round} waits for {wait.what}: {said}; {until}", done or wait.past)


def _votes(workspace: Workspace, wanted: Wanted) -> tuple[str, bool]:
    cast = polls.count(workspace)
    return f"{cast} of {wanted.votes} are in", cast >= wanted.votes


def _approval(workspace: Workspace, wait: Wait, about: Candidate) -> tuple[str, bool]:
    made = approval.decided(workspace, wait)
    return f"its candidate {about.candidate[:12]} {made or 'passed every gate'}", made is not None
