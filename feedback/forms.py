"""What each form of feedback contributes to the preference pairs: all of it becomes votes on pairs of answers.

- Comparisons and rankings, and other events that rank answers, contain votes (`feedback.votes`).
- A correction is a vote for the edited answer over the original.
- Ratings of one person on answers to one prompt are votes, if they are far enough apart. Ratings of different people
  are never compared, because people use scales differently.
- Thumbs on answers to one prompt are votes for a liked answer over a disliked one, also by different people.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, cycle, islice

from feedback.marks import Mark, marks
from feedback.similarity import grams
from feedback.stored import Event
from feedback.unicode_forms import same_text
from feedback.votes import PairKey, Vote, equal_ties, person, votes

MIN_RATING_DIFFERENCE = 0.2
"""Default of `curate.min_rating_difference`."""


def cast(ordered: Sequence[Event], min_difference: float = MIN_RATING_DIFFERENCE) -> list[Vote]:
    """All votes in the events, in their order, which must be chronological.

    Args:
        ordered: the events that count.
        min_difference: how far apart two ratings have to be, as a share of the scale.
    """
    ranked = [vote for event in ordered for vote in (*correction_votes(event), *votes(event), *equal_ties(event))]
    latest = marks(ordered)
    marked = [*rating_votes(latest, min_difference), *thumb_votes(latest)]
    position = {event.feedback_id: ix for ix, event in enumerate(ordered)}
    return sorted([*ranked, *marked], key=lambda vote: position[vote.event.feedback_id])


def correction_votes(event: Event) -> Iterator[Vote]:
    """A vote for each edited answer over its original, as strong as the edit is large (share of changed words).

    An edit of case or white space alone is none: it remains a demonstration.
    """
    if event.kind != "correction":
        return
    criteria = dict.fromkeys(judgement.criterion for judgement in event.judgements) or ("overall",)
    for edited in event.responses:
        original = event.responses[edited.parent_ix].text if edited.parent_ix is not None else edited.text
        for criterion in () if same_text(original, edited.text) else criteria:
            yield _vote(event, edited.text, original, criterion, 1.0, _changed(original, edited.text))


def rating_votes(latest: Iterable[Mark], min_difference: float) -> Iterator[Vote]:
    """Votes of one person: for the answer with the higher rating, or with the thumb up, as strong as the difference.

    The weights of a person's votes on one prompt add up to 1.
    """
    own: defaultdict[tuple[object, ...], list[Mark]] = defaultdict(list)
    for mark in latest:
        own[person(mark.event), mark.item].append(mark)
    for rated in own.values():
        pairs = [sorted(pair, key=lambda mark: mark.value) for pair in combinations(rated, 2)]
        apart = [(low, high) for low, high in pairs if high.value - low.value >= max(min_difference, 1e-9) - 1e-9]
        for low, high in apart:
            yield _of_marks(high, low, 1 / len(apart))


def thumb_votes(latest: Iterable[Mark]) -> Iterator[Vote]:
    """Votes of two people on one prompt: one likes an answer, the other dislikes another one.

    People with thumbs up and down on the prompt have votes of their own, and are left out. Each remaining thumb is in
    at least one vote; the weights add up to the number of thumbs on the rarer side.
    """
    by_prompt: defaultdict[tuple[str, ...], list[Mark]] = defaultdict(list)
    for mark in latest:
        if mark.form == "thumb":
            by_prompt[mark.item].append(mark)
    for given in by_prompt.values():
        likes, dislikes = _of_one_mind(given)
        if likes and dislikes:
            count = max(len(likes), len(dislikes))
            weight = min(len(likes), len(dislikes)) / count
            matched = zip(islice(cycle(likes), count), islice(cycle(dislikes), count), strict=True)
            yield from (
                _of_marks(liked, disliked, weight) for liked, disliked in matched if liked.answer != disliked.answer
            )


def without_votes(events: Iterable[Event], cast: Iterable[Vote], kinds: Iterable[str]) -> dict[str, int]:
    """Kind → number of the events that none of the votes is made of, for these kinds."""
    used = {event.feedback_id for vote in cast for event in vote.events}
    wanted = set(kinds)
    unused = Counter(event.kind for event in events if event.kind in wanted and event.feedback_id not in used)
    return dict(sorted(unused.items()))


def _of_one_mind(thumbs: Sequence[Mark]) -> tuple[list[Mark], list[Mark]]:
    """The thumbs up and the thumbs down of the people who gave only one of the two."""
    values: defaultdict[str, set[float]] = defaultdict(set)
    for mark in thumbs:
        values[person(mark.event)].add(mark.value)
    single = [mark for mark in thumbs if len(values[person(mark.event)]) == 1]
    return [mark for mark in single if mark.value == 1], [mark for mark in single if mark.value == 0]


def _of_marks(better: Mark, worse: Mark, weight: float) -> Vote:
    earlier, later = sorted((better, worse), key=lambda mark: mark.position)
    vote = _vote(later.event, better.answer, worse.answer, better.criterion, weight, better.value - worse.value)
    return vote if better.event is worse.event else vote._replace(earlier=earlier.event)


def _vote(event: Event, better: str, worse: str, criterion: str, weight: float, strength: float | None) -> Vote:
    first, second = sorted((better, worse))
    return Vote(event, PairKey(event.prompt_id, first, second, criterion), float(better == first), weight, strength)


def _changed(original: str, edited: str) -> float:
    """The share of words and word pairs that only one of two texts has (Jaccard distance), 0 to 1."""
    before, after = grams(original), grams(edited)
    return 1 - len(before & after) / max(len(before | after), 1)
