"""What people said of a version of the policy in use: opinions on its answers, and comparisons with another version's.

A record counts for the version that its response names as its writer (`model_version`); without one it is nobody's.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from feedback import store
from feedback.arrow import from_table
from feedback.schema import FeedbackEvent, Judgement, Response
from feedback.votes import CHOICES, in_time, last_words, person, standing, votes

POLICY = "policy"
"""What the `model` of a response is called; it may be left out."""

UP, DOWN = ("up", "good", "yes"), ("down", "bad", "no")
"""Labels of a thumb that has no score."""


class Opinion(NamedTuple):
    """The last word of one person on one answer."""

    version: str
    """Who wrote the answer."""
    person: str
    scores: dict[str, float]
    """Criterion → 0 (worst) to 1 (best), where the person gave a thumb or a rating."""
    flags: frozenset[str]
    """Words that set the answer apart: flags of the record, tags and labels of its judgements."""


class LiveComparison(NamedTuple):
    """The last word of one person on answers of two versions to one prompt."""

    versions: tuple[str, str]
    person: str
    criterion: str
    share: float
    """1 where the first version is preferred, 0 where the second is, one half for a tie."""


def spoken_of(folder: Path, waiting: Sequence[FeedbackEvent], versions: Sequence[str]) -> list[FeedbackEvent]:
    """The records that stand and judge an answer of one of the versions: of the store, then of those that wait."""
    known = store.ids(folder)
    fresh = in_time(event for event in waiting if event.feedback_id not in known)
    found = standing([*in_time(_stored(folder, versions)), *fresh])
    return [event for event in found if _writers(event) & set(versions)]


def opinions(events: Iterable[FeedbackEvent]) -> list[Opinion]:
    """Each person's last opinion on each answer, in the order of the events; the last of two takes the first's place.

    Only records on one answer are opinions: of several, nobody knows which one a flag is about.
    """
    last: dict[tuple[str, str, str], Opinion] = {}
    for event in events:
        answer, writer = event.responses[0], _writer(event.responses[0])
        if writer is not None and len(event.responses) == 1:
            opinion = Opinion(writer, person(event), _scores(event), _flags(event))
            last[opinion.person, event.prompt_id, answer.text] = opinion
    return list(last.values())


def duels(events: Iterable[FeedbackEvent]) -> list[LiveComparison]:
    """Each person's last comparison of answers of two versions; those who would not say are left out."""
    cast = [vote for event in events if event.kind in CHOICES for vote in votes(event)]
    found = []
    for vote in last_words(cast):
        writers = {response.text: _writer(response) for response in vote.event.responses}
        first, second = writers[vote.pair.first], writers[vote.pair.second]
        if first and second and first != second and vote.share is not None:
            found.append(LiveComparison((first, second), person(vote.event), vote.pair.criterion, vote.share))
    return found


def _stored(folder: Path, versions: Sequence[str]) -> list[FeedbackEvent]:
    """What the store holds of these versions, and all that takes something back: it may name no version."""
    table = store.read(folder)
    responses = table["responses"].combine_chunks()
    writers = pc.struct_field(responses.flatten(), "model_version")
    theirs = pc.is_in(writers, pa.array(list(versions), pa.string())).to_numpy(zero_copy_only=False)
    wanted = pc.is_valid(table["supersedes"]).to_numpy()
    wanted[pc.list_parent_indices(responses).to_numpy()[theirs]] = True
    return from_table(table.filter(pa.array(wanted, pa.bool_())))


def _writers(event: FeedbackEvent) -> set[str | None]:
    return {_writer(response) for response in event.responses}


def _writer(response: Response) -> str | None:
    return response.model_version if response.model in (None, POLICY) else None


def _flags(event: FeedbackEvent) -> frozenset[str]:
    said = [[*judgement.tags, judgement.label] for judgement in event.judgements]
    return frozenset(word for words in [event.flags, *said] for word in words if word)


def _scores(event: FeedbackEvent) -> dict[str, float]:
    """Thumbs and ratings of a record; the same criterion again overrides."""
    return dict(_scored(event)) if event.kind in ("binary", "rating") else {}


def _scored(event: FeedbackEvent) -> Iterator[tuple[str, float]]:
    for judgement in event.judgements:
        score = _score(judgement, event.kind == "binary")
        if score is not None:
            yield judgement.criterion, score


def _score(judgement: Judgement, thumb: bool) -> float | None:
    """0 to 1; None where no number was given, or one without its scale."""
    low, high, score = judgement.scale_min, judgement.scale_max, (judgement.scores or (None,))[0]
    if score is not None and low is not None and high is not None and low < high:
        return min(max((score - low) / (high - low), 0.0), 1.0)
    if thumb and score is not None:
        return float(score > 0)
    if thumb and judgement.label in (*UP, *DOWN):
        return float(judgement.label in UP)
    return None
