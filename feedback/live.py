"""Live feedback on policy versions: opinions on the answers of one version, and comparisons of two versions.

A record counts for the version that its response names in `model_version`; without one it counts for no version.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from feedback import store
from feedback.arrow import from_table
from feedback.marks import score_of, stated_scale, thumb
from feedback.schema import FeedbackEvent, Judgement
from feedback.stored import Answer, Event
from feedback.votes import CHOICES, chronological, effective, is_known, last_votes, person, votes

OUTSIDE_SOURCE = "inbox:"
"""Beginning of the source of records in files that were put into the inbox by hand."""
POLICY = "policy"
"""The `model` of a response by the policy; the field may be left out."""


class Opinion(NamedTuple):
    """The latest feedback of one person on one answer."""

    version: str
    """The policy version that wrote the answer."""
    person: str
    scores: dict[str, float]
    """Criterion → 0 (worst) to 1 (best); empty if the person gave neither a thumb nor a rating."""
    flags: frozenset[str]
    """Flags of the record, and tags and labels of its judgements."""


class LiveComparison(NamedTuple):
    """The latest vote of one person on answers of two versions to one prompt."""

    versions: tuple[str, str]
    person: str
    criterion: str
    share: float
    """1 if the first version is preferred, 0 if the second is, .5 for a tie."""


def on_versions(folder: Path, waiting: Sequence[FeedbackEvent], versions: Sequence[str]) -> list[FeedbackEvent]:
    """The effective records that judge an answer of one of the versions: those in the store, then those in `waiting`.

    `waiting` is feedback that no round has ingested yet; a record in both is returned once.
    """
    known = store.ids(folder)
    fresh = chronological(event for event in waiting if event.feedback_id not in known)
    events = effective([*chronological(_stored(folder, versions)), *fresh])
    return [event for event in events if _writers(event) & set(versions)]


def versions(event: FeedbackEvent) -> set[str]:
    """The policy versions whose answers a record judges."""
    return {writer for writer in _writers(event) if writer is not None}


def opinions(events: Iterable[FeedbackEvent]) -> list[Opinion]:
    """Each person's last opinion on each answer, in the order of the first events on them.

    Only records on a single answer are opinions: with several answers it is unclear which one a flag refers to.
    """
    last: dict[tuple[str, str, str], Opinion] = {}
    for event in events:
        answer, writer = event.responses[0], _writer(event.responses[0])
        if writer is not None and len(event.responses) == 1:
            opinion = Opinion(writer, _person(event), _scores(event), _flags(event))
            last[opinion.person, event.prompt_id, answer.text] = opinion
    return list(last.values())


def comparisons(events: Iterable[FeedbackEvent]) -> list[LiveComparison]:
    """Each person's last vote on answers of two versions, without abstentions."""
    cast = [vote for event in events if event.kind in CHOICES for vote in votes(event)]
    compared = []
    for vote in last_votes(cast):
        writers = {response.text: _writer(response) for response in vote.event.responses}
        first, second = writers[vote.pair.first], writers[vote.pair.second]
        if first and second and first != second and vote.share is not None:
            compared.append(LiveComparison((first, second), _person(vote.event), vote.pair.criterion, vote.share))
    return compared


def _stored(folder: Path, versions: Sequence[str]) -> list[FeedbackEvent]:
    """Stored events on these versions, and all that supersede another event: those need not name a version."""
    table = store.read(folder)
    responses = table["responses"].combine_chunks()
    writers = pc.struct_field(responses.flatten(), "model_version")
    by_them = pc.is_in(writers, pa.array(list(versions), pa.string())).to_numpy(zero_copy_only=False)
    selected = pc.is_valid(table["supersedes"]).to_numpy()
    selected[pc.list_parent_indices(responses).to_numpy()[by_them]] = True
    return from_table(table.filter(pa.array(selected, pa.bool_())))


def _person(event: Event) -> str:
    """All unknown givers of files that were put into the inbox by hand count as one: one person may have written them.

    Three such records would otherwise be three people, enough for the guard `harm` to roll back the champion.
    """
    outside = event.source.startswith(OUTSIDE_SOURCE) and not is_known(event)
    return OUTSIDE_SOURCE if outside else person(event)


def _writers(event: FeedbackEvent) -> set[str | None]:
    return {_writer(response) for response in event.responses}


def _writer(response: Answer) -> str | None:
    return response.model_version if response.model in (None, POLICY) else None


def _flags(event: FeedbackEvent) -> frozenset[str]:
    judged = [[*judgement.tags, judgement.label] for judgement in event.judgements]
    return frozenset(flag for flags in [event.flags, *judged] for flag in flags if flag)


def _scores(event: FeedbackEvent) -> dict[str, float]:
    """Thumbs and ratings of a record by criterion; if a criterion occurs twice, the last one counts."""
    return dict(_scored(event)) if event.kind in ("binary", "rating") else {}


def _scored(event: FeedbackEvent) -> Iterator[tuple[str, float]]:
    for judgement in event.judgements:
        score = _score(judgement, event.kind == "binary")
        if score is not None:
            yield judgement.criterion, score


def _score(judgement: Judgement, is_thumb: bool) -> float | None:
    """0 to 1; None if there is no score, or a rating has no scale."""
    score, scale = score_of(judgement, 0), stated_scale(judgement)
    if score is not None and scale is not None:
        low, high = scale
        return min(max((score - low) / (high - low), 0.0), 1.0)
    return thumb(judgement) if is_thumb else None
