"""A machine that helps another one: it trains along in the steps of a round that run on several machines."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from core.errors import Damaged
from models import launching, rendezvous
from models.launching import RankFailed
from models.rendezvous import Rendezvous
from tasks.rounds import launched
from tasks.rounds.smaller import LAUNCHED
from tasks.rounds.worker_step import PREFIX
from tasks.state.workspace import Workspace

PAUSE = 0.5
"""Seconds between two looks whether the machine of the round calls."""


def follow(workspaces: Callable[[], Iterable[Workspace]], say: Callable[[str], None]) -> None:
    """Train along in each step that is called to a workspace, until this process is ended.

    A step that fails is told; its round, on the other machine, has the error, and may call again.

    Args:
        workspaces: those of rounds or of steps, in folders that all machines see; asked again and again.
        say: gets a sentence whenever a step begins or ends here.
    """
    known: set[str] = set()
    while True:
        for workspace in workspaces():
            for step, arranged in calls(workspace):
                if arranged.id not in known:
                    known.add(arranged.id)
                    _join(workspace, step, arranged, say)
        time.sleep(PAUSE)


def of_workers(folder: Path) -> Iterable[Workspace]:
    """The workspaces of steps that a worker runs now, whose folder for temporary files (TMPDIR) this is."""
    return [Workspace(found) for found in sorted(folder.glob(f"{PREFIX}*"))]


def calls(workspace: Workspace) -> Iterator[tuple[str, Rendezvous]]:
    """The steps that wait for several machines now, and where they meet."""
    for step in LAUNCHED:
        with suppress(Damaged):
            arranged = rendezvous.read(workspace.ranks(step))
            if arranged and arranged.nodes > 1:
                yield step, arranged


def _join(workspace: Workspace, step: str, arranged: Rendezvous, say: Callable[[str], None]) -> None:
    say(
        f"{step}: joins {arranged.nodes} machines at {arranged.endpoint}, with {arranged.processes} of "
        f"{arranged.ranks} processes"
    )
    folder: Path = workspace.ranks(step)
    try:
        launching.follow(launched.PROGRAM, launched.arguments(workspace, step), folder, arranged)
    except RankFailed as error:
        say(f"{step}: {error}")
    else:
        say(f"{step}: done")
