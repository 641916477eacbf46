"""How the wait of an open round stands, in words: what is missing, until when, and what goes on with it."""

from typing import NamedTuple

from tasks import polls, waiting
from tasks.waiting import Wait
from tasks.workspace import Workspace


class Pending(NamedTuple):
    """A round that waits for people."""

    wait: Wait
    said: str
    """What for, and until when."""
    cure: str
    """Which command goes on with it."""

    def __str__(self) -> str:
        return f"{self.said[0].upper()}{self.said[1:]}. {self.cure}; then `python -m flows round` goes on."


def pending(workspace: Workspace) -> Pending | None:
    """What the open round waits for; None where it waits for nobody."""
    wait = waiting.now(workspace)
    if wait is None:
        return None
    if wait.what == "votes":
        said = f"{polls.count(workspace)} of {wait.about['votes']} votes are in"
        cure = "`python -m flows votes pull` hands out pairs, `python -m flows votes push FILE` takes votes in"
    else:
        said = f"its candidate {wait.about['candidate'][:12]} passed every gate"
        cure = f"`python -m flows approve {wait.round} --by NAME --why REASON` promotes it, `--refuse` does not"
    until = f"its time was up at {wait.deadline}" if wait.past else f"it waits until {wait.deadline}"
    return Pending(wait, f"round {wait.round} waits for {wait.what}: {said}; {until}", cure)


def ready(workspace: Workspace, wait: Wait) -> bool:
    """True where enough votes are in, or the time is up."""
    return wait.past or (wait.what == "votes" and polls.count(workspace) >= wait.about["votes"])
