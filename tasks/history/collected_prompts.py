"""What rounds collected of prompts that people asked the server: it is removed once the answers are, or their asker.

A round collects such prompts from a file that `rounds feedback asked` wrote. The SHA-256 of their texts are known from
then on, so that they are found also when the server's answers are gone. The record of a round keeps the hashes of what
was removed; to replay it, nothing of this is needed.
"""

import json
from collections.abc import Iterator, Set
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from core.errors import BadWorkspace, RoundBusy
from feedback import pairs as pair_files
from feedback.forgotten import pseudonym
from feedback.sources import AnswerPair
from tasks.state import asked_files, feedback_database, records, served_answers
from tasks.state.asked_files import text_digest
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tasks.tools.versioning import DataGraph

_LATER = (
    "rounds collected some of the prompts, which cannot be removed while a round is open or another command works in "
    "the workspace; afterwards, type `rounds gc --yes`"
)


class RemovedPrompts(NamedTuple):
    """What was removed of prompts whose answers are gone."""

    pairs: int = 0
    """Pairs of answers that the last round collected."""
    objects: int = 0
    """Objects of the DVC cache, each with the pairs of one round."""
    items: int = 0
    """Items of labelling queues."""
    problem: str | None = None
    """What is left, and what to do about it; None if nothing is."""

    dry: bool = False
    """Nothing was removed: this is what would be."""

    @property
    def any(self) -> bool:
        """Whether there was something to remove."""
        return any(self[:3])

    @property
    def sentences(self) -> list[str]:
        """What was done, or would be, and what is left; empty if there was nothing to do."""
        counts = f"{self.pairs} collected pairs, {self.objects} objects of the DVC cache, {self.items} labelling items"
        told = f"Collected of prompts that are gone: {counts}." if self.dry else f"Removed with the prompts: {counts}."
        return [*([told] if self.any else []), *([self.problem] if self.problem else [])]


def remove(workspace: Workspace) -> RemovedPrompts:
    """Remove what rounds collected of the prompts whose answers are no longer stored. Repeated, it continues.

    The lock of the workspace is held only if there is something to remove.

    Raises:
        RoundsError: the database does not answer.
    """
    if not _removed(workspace):
        return RemovedPrompts()
    if not _of_removed(workspace):
        if not records.unfinished(workspace):  # an open round may be collecting them now
            asked_files.drop(workspace, _removed(workspace))
        return RemovedPrompts()
    with suppress(RoundBusy), holding(workspace.lock, "removing collected prompts"):
        if not records.unfinished(workspace):
            return remove_locked(workspace)
    return RemovedPrompts(problem=_LATER)


def remove_locked(workspace: Workspace) -> RemovedPrompts:
    """The same for who holds the lock of the workspace, and while no round is open.

    Raises:
        RoundsError: the database does not answer.
    """
    gone = _removed(workspace)
    removed = _remove(workspace, write=True)
    if gone and removed.problem is None:
        asked_files.drop(workspace, gone)
    return removed


def removable(workspace: Workspace) -> RemovedPrompts:
    """What `remove_locked` would remove now; nothing while a round is open.

    Raises:
        RoundsError: the database does not answer.
    """
    return RemovedPrompts(dry=True) if records.unfinished(workspace) else _remove(workspace, write=False)


def _remove(workspace: Workspace, write: bool) -> RemovedPrompts:
    texts, problem, objects = _of_removed(workspace), None, 0
    pairs, items = remove_pairs(workspace, texts, write), remove_items(workspace, texts, write)
    try:
        objects = remove_objects(workspace, texts, write)
    except BadWorkspace as error:  # the cache is shared
        problem = str(error)
    return RemovedPrompts(pairs, objects, items, problem, dry=not write)


def drop_asker(workspace: Workspace, annotator: str) -> None:
    """Drop what is known of the prompts of one asker, of whom nothing is left; not of those that a file still has."""
    name = pseudonym(annotator)
    own = [each for each, prompt in asked_files.written(workspace).items() if prompt.asker == name]
    if own:
        asked_files.drop(workspace, own)


def of_asker(workspace: Workspace, annotator: str) -> frozenset[str]:
    """The texts of prompts of one asker that rounds collected, without those that stored answers to others have."""
    name, written = pseudonym(annotator), asked_files.written(workspace).values()
    own = {text for prompt in written if prompt.asker == name for text in prompt.texts}
    others = {text for prompt in written if prompt.asker != name for text in prompt.texts}
    found = _found(workspace, own - others)
    return found - served_answers.those_of_others(workspace, found, annotator)


def remove_pairs(workspace: Workspace, texts: Set[str], write: bool) -> int:
    """Remove the pairs of the last round that have one of the texts; returns their number."""
    if not texts or not workspace.answers.exists():
        return 0
    pairs = pair_files.read(workspace.answers)
    kept = [pair for pair in pairs if texts.isdisjoint(_texts(pair))]
    if write and len(kept) < len(pairs):
        pair_files.write(workspace.answers, kept)
    return len(pairs) - len(kept)


def remove_items(workspace: Workspace, texts: Set[str], write: bool) -> int:
    """Remove the items of labelling queues that have one of the texts; returns their number."""
    if not texts or not feedback_database.exists(workspace):
        return 0
    from feedback.store import label_queues  # only here: SQLAlchemy takes a second to load

    with feedback_database.opened(workspace) as database:
        return label_queues.erase_texts(database, texts, write)


def remove_objects(workspace: Workspace, texts: Set[str], write: bool) -> int:
    """Remove the objects of the DVC cache with collected pairs that have one of the texts; returns their number.

    Raises:
        BadWorkspace: the cache is shared with other workspaces.
    """
    found = [file for file, pairs in _cached(workspace) if not texts.isdisjoint(_texts(*pairs))] if texts else []
    for file in found if write else ():
        file.unlink()
    return len(found)


def _removed(workspace: Workspace) -> frozenset[str]:
    """The response ids of the answers that are no longer stored, and whose prompts rounds may have collected."""
    names = asked_files.written(workspace).keys()
    return frozenset(names) - served_answers.kept(workspace, names) if names else frozenset()


def _of_removed(workspace: Workspace) -> frozenset[str]:
    """The texts of their prompts that rounds collected, without those that stored answers have."""
    gone, written = _removed(workspace), asked_files.written(workspace)
    digests = {text for name, prompt in written.items() if name in gone for text in prompt.texts}
    found = _found(workspace, digests)
    return found - served_answers.those_of_others(workspace, found, None)


def _found(workspace: Workspace, digests: Set[str]) -> frozenset[str]:
    """The texts with one of the digests in what rounds collected, and in labelling queues."""
    if not digests:
        return frozenset()
    return frozenset(text for text in _prompts(workspace) if text_digest(text) in digests)


def _prompts(workspace: Workspace) -> Iterator[str]:
    """The texts of collected pairs, of all rounds, and of the prompts of labelling items."""
    if workspace.answers.exists():
        yield from _texts(*pair_files.read(workspace.answers))
    with suppress(BadWorkspace):  # the cache is shared; whoever removes says so
        for _, pairs in _cached(workspace):
            yield from _texts(*pairs)
    if feedback_database.exists(workspace):
        from feedback.store import label_queues  # as above

        with feedback_database.opened(workspace) as database:
            yield from label_queues.texts(database)


def _texts(*pairs: AnswerPair) -> Iterator[str]:
    for pair in pairs:
        yield from (turn.content for turn in pair.prompt)
        yield from (response.text for response in pair.responses)


def _cached(workspace: Workspace) -> Iterator[tuple[Path, list[AnswerPair]]]:
    """The files of collected pairs in the DVC cache, with their pairs."""
    for md5, file in DataGraph(workspace.root).objects().items():
        if not md5.endswith(".dir") and _has_collected(file):
            yield file, pair_files.read(file)


def _has_collected(file: Path) -> bool:
    """Whether a file has pairs that a round collected; only its beginning is read."""
    start = json.dumps([pair_files.COLLECTED])[:-2].encode()
    with file.open("rb") as stream:
        return stream.read(len(start)) == start
