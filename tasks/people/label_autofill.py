"""Filling the labelling queue `main` without a command: a bounded number of pairs, drawn at random."""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from core.errors import NotFound
from feedback import label_roles
from feedback.label_items import LabelItem
from tasks.people import label_filling
from tasks.people.label_settings import LabelSettings
from tasks.state import identity, records
from tasks.state.workspace import Workspace

if TYPE_CHECKING:
    from feedback.store.database import Database

QUEUE = "main"
"""The labelling queue that is filled."""


class AutoFilled(NamedTuple):
    """What was added to the queue, and what is still missing."""

    new: int
    missing: int
    """How many more items would have been added, had there been more answers."""


def fill(workspace: Workspace, database: "Database", settings: LabelSettings) -> AutoFilled:
    """Add pairs to the queue `main` until `settings.open_items` of its items want judgements.

    No pair is added that a labelling queue has, judged or not. Which ones are added is drawn with the salt of the
    workspace: they are no better or worse than the rest. Nothing is added from the answers of an open round.

    Raises:
        NoDatabase: the feedback database does not answer.
        Damaged: round.yaml, the answers or the identity of the workspace cannot be read.
    """
    from feedback.store import label_queues  # only here: SQLAlchemy takes a second to load
    from feedback.store.queue import QueueItem

    missing = settings.open_items - label_queues.open_items(database, QUEUE)
    if missing <= 0:
        return AutoFilled(0, 0)
    found = {item.item: item for item in _found(workspace, settings)}
    new = [found[name] for name in found.keys() - label_queues.known(database)]
    salt = identity.made(workspace).salt if new else ""
    drawn = sorted(new, key=lambda item: label_roles.hashed(f"{salt}\0{QUEUE}\0{item.item}"))[:missing]
    count = label_queues.add(database, QUEUE, [QueueItem(*item) for item in drawn], settings.overlap)
    return AutoFilled(count, missing - len(drawn))


def _found(workspace: Workspace, settings: LabelSettings) -> Iterator[LabelItem]:
    """Every two answers that may be added."""
    with suppress(NotFound):
        if "collected" in settings.fill and not records.unfinished(workspace):
            yield from label_filling.collected(workspace, "comparison")
    with suppress(NotFound):
        if "served" in settings.fill:
            yield from label_filling.served(workspace, "comparison", (label_filling.CONSENT,))
