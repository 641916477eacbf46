"""Forgetting an annotator: a tombstone, what had learned from the feedback, where it still is, and the purge.

A tombstone takes effect with the next round that opens. A purge also removes the feedback from the workspace, and marks
the rounds that cannot be replayed without it.
"""

from collections.abc import Collection
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from typing import NamedTuple

from core.errors import BadFeedback, BadWorkspace, RoundsError
from core.files import recover_all
from core.settings import read, section
from feedback.annotators import activity
from feedback.forgotten import pseudonym
from feedback.votes import UNKNOWN
from tasks.history import collected_prompts
from tasks.history.learned import Learned, learned
from tasks.history.purging import SESSIONS, Place, end_sessions, places
from tasks.people import keys
from tasks.registry import audit
from tasks.registry.archive import FEEDBACK_PURGED, VOTES_PURGED, Archive, PastRound
from tasks.state import asked_files, records, tombstones
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tasks.tools import tracking
from tasks.tools.versioning import DataGraph, VersioningSettings

FORGET, PURGE = "forget", "purge"
"""Events of the audit log."""


class Forgetting(NamedTuple):
    """What is known of an annotator's feedback, and what was done about it."""

    annotator: str
    since: str | None
    """When the annotator was forgotten first; None if that has not happened."""
    ingested: tuple[int, ...]
    """The rounds that took in feedback of the annotator."""
    voted: tuple[int, ...]
    """The rounds that counted fresh votes of the annotator."""
    learned: Learned
    places: tuple[Place, ...]
    """Places in the workspace: before a purge what is there, after one what was removed."""
    beyond: tuple[str, ...]
    """Places that no command reaches, one sentence each."""
    open: int | None
    """The number of the open round, which was opened before the tombstone; None if no round is open."""
    ended: Place | None = None
    """The sessions on the server's pages that were ended; None if there were none."""


def look(workspace: Workspace, annotator: str) -> Forgetting:
    """What forgetting an annotator would be about. Changes nothing.

    Raises:
        BadFeedback: the id is that of unknown people.
    """
    _check(annotator)
    return _facts(workspace, annotator)


def forget(workspace: Workspace, annotator: str, by: str, why: str) -> Forgetting:
    """Add a tombstone: rounds that open from now on leave out all feedback with this id, also what arrives later.

    The sessions of the annotator on the pages of the server end.

    Raises:
        BadFeedback: the id is that of unknown people.
    """
    _check(annotator)
    facts = _facts(workspace, annotator)
    before = tombstones.about(workspace, annotator)
    if before.since is None or set(facts.ingested) - set(before.rounds) or set(facts.voted) - set(before.voted):
        tombstones.add(workspace, annotator, by, why, facts.ingested, facts.voted)
    _note(workspace, FORGET, annotator, by, why, facts)
    ended = end_sessions(workspace, annotator)
    left = tuple(place for place in facts.places if place.what != SESSIONS)
    return facts._replace(since=tombstones.about(workspace, annotator).since, places=left, ended=ended)


def purge(workspace: Workspace, annotator: str, by: str, why: str) -> Forgetting:
    """Forget an annotator, and remove the feedback from the workspace. A purge that was killed is repeated.

    Raises:
        BadFeedback: the id is that of unknown people.
        BadWorkspace: a round is open.
        RoundBusy: a round runs, or live feedback is being checked.
    """
    _check(annotator)
    with ExitStack() as locks:
        for lock in (workspace.lock, workspace.watch_lock("guards"), workspace.watch_lock()):
            locks.enter_context(holding(lock, "a purge of feedback", wait=60 if lock != workspace.lock else 0))
        _check_closed(workspace)
        facts = forget(workspace, annotator, by, why)
        _mark(workspace, facts, by)
        _remove_drafts(workspace)
        facts = facts._replace(places=tuple(places(workspace, annotator, write=True)))
        complete = all(place.problem is None for place in facts.places)
        tombstones.add(workspace, annotator, by, why, facts.ingested, facts.voted, purged=complete)
        if complete:
            collected_prompts.drop_asker(workspace, annotator)
        _note(workspace, PURGE, annotator, by, why, facts)
    return facts


def _remove_drafts(workspace: Workspace) -> None:
    """Complete or remove files that a killed round left half written: they may have the feedback too."""
    for folder in workspace.data.iterdir():
        if folder.is_dir() and folder != workspace.inbox:  # a file may be handed in at this moment
            recover_all(folder)


def _check(annotator: str) -> None:
    if annotator.strip() in ("", UNKNOWN):
        raise BadFeedback(
            f"annotator {annotator!r} is not one person: every record without a name counts as that of another one; "
            "name the id that the records have"
        )


def _check_closed(workspace: Workspace) -> None:
    if records.unfinished(workspace):
        raise BadWorkspace(
            f"round {records.coming(workspace)} is open and reads this feedback; finish it with `rounds round`, or "
            "forget without --purge and discard it with `rounds round --reopen`, then purge"
        )


def _facts(workspace: Workspace, annotator: str) -> Forgetting:
    before = tombstones.about(workspace, annotator)
    ingested = {entry.round for entry in activity(workspace.feedback) if entry.annotator == annotator}
    voted = {entry.round for entry in activity(workspace.votes) if entry.annotator == annotator}
    ingested, voted = ingested | set(before.rounds), voted | set(before.voted)
    return Forgetting(
        annotator=annotator,
        since=before.since,
        ingested=tuple(sorted(ingested)),
        voted=tuple(sorted(voted)),
        learned=learned(workspace, annotator, ingested),
        places=tuple(places(workspace, annotator, write=False)),
        beyond=tuple(_beyond(workspace, annotator)),
        open=records.coming(workspace) if records.unfinished(workspace) else None,
    )


def _beyond(workspace: Workspace, annotator: str) -> list[str]:
    """What stays in any case, one sentence each."""
    data, knobs = DataGraph(workspace.root), _versioning(workspace)
    remote = data.remote_of(knobs.remote)
    lines = [f"the DVC remote {remote} ({data.address(remote)}) has the data of pushed rounds"] if remote else []
    if any(annotator == entry.who or annotator in str(entry.facts) for entry in audit.read(workspace.audit)):
        lines.append(
            f"{workspace.name(workspace.audit)} and its copy in MLflow name the annotator; lines are never rewritten"
        )
    return [
        *(prompts.sentence for prompts in asked_files.of_asker(workspace, annotator)),
        *_keys(workspace, annotator),
        *lines,
        f"MLflow ({tracking.uri(workspace.root)}) has cards, examples and pages of past rounds, and the weights and "
        "tokenizers of the versions that learned",
        "weights in data/checkpoints, data/champion and data/previous, until later rounds replace them",
        "evidence archives, exports and copies that were made of any of it, and files outside the workspace",
        f"logs, in {workspace.name(workspace.services_logs)} and elsewhere: a log may quote a record",
        "backups",
    ]


def _keys(workspace: Workspace, annotator: str) -> list[str]:
    """The key that has the name but is not an annotator's: it is not revoked, because others may work with it."""
    with suppress(RoundsError):  # the database is a place, which has a problem then
        named = (key for key in keys.every(workspace) if key.name == annotator and key.role != "annotator")
        return [
            f"the key {key.name}, whose role is {key.role}; a key keeps its name when it is revoked" for key in named
        ]
    return []


def _versioning(workspace: Workspace) -> VersioningSettings:
    return section(VersioningSettings, read(workspace.params), "versioning", workspace.params)


def _mark(workspace: Workspace, facts: Forgetting, by: str) -> None:
    """Mark the runs of the rounds that cannot be replayed from now on: all that read the feedback, also later ones."""
    archive, keys = Archive(workspace.root), records.keys(workspace)
    when = f"on {datetime.now(UTC):%Y-%m-%d} by {by}"
    for past in archive.rounds():
        if past.key in keys and (tags := _tags(past, facts.ingested, facts.voted, when)):
            archive.mark(past, tags)


def _tags(past: PastRound, ingested: Collection[int], voted: Collection[int], when: str) -> dict[str, str]:
    feedback = past.number >= min(ingested, default=past.number + 1)
    tags = {FEEDBACK_PURGED: when} if feedback else {}
    tags |= {VOTES_PURGED: when} if past.number in voted else {}
    return {name: value for name, value in tags.items() if name not in past.tags}


def _note(workspace: Workspace, event: str, annotator: str, by: str, why: str, facts: Forgetting) -> None:
    """One line of the audit log for each tombstone and each purge; it does not have the id."""
    name = pseudonym(annotator)
    known = {(entry.event, entry.facts.get("annotator")) for entry in audit.read(workspace.audit)}
    if event == PURGE or (event, name) not in known:
        audit.append(workspace.audit, event, by, annotator=name, reason=why, rounds=list(facts.ingested))
