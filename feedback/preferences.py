"""Training rows derived from events: one per pair of answers, with all votes on it, and one per demonstration.

Pure functions of the events and their order of arrival. Derived rows are never edited; they are computed again from the
events.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from typing import NamedTuple

import pyarrow as pa

from feedback import forms
from feedback.agreement import Agreement, agreement
from feedback.items import group_of
from feedback.marks import KINDS
from feedback.rows import DEMONSTRATIONS, PREFERENCES, VOTES, DemonstrationRow, PreferenceRow, Turns, VoteRow, table
from feedback.schema import Turn
from feedback.split import SplitSettings
from feedback.stored import Event
from feedback.votes import (
    PairKey,
    Vote,
    arrived,
    chronological,
    effective,
    equal_answers,
    frozen_groups,
    last_votes,
    person,
)


class Counts(NamedTuple):
    """How many events and votes were used, merged or dropped, for the data card."""

    events: int
    inactive: int
    """Events that are withdrawn, quarantined or superseded by another event."""
    kinds: dict[str, int]
    """The other events, by kind."""
    unpaired: dict[str, int]
    """Events that judge answers one by one and are in no vote, by kind: no pair could be made of them."""
    corrections: int
    """Rows with a vote that comes from a correction: an edited answer is preferred over the original."""
    equal_answers: int
    """Pairs whose two answers have the same text: dropped."""
    repeated: int
    """Votes that the same person replaced by a later vote on the same pair: dropped."""
    abstained: int
    """Votes that abstain (`skip`, `cannot_judge`, `not_rankable`): dropped."""
    votes: int
    """Votes that count."""
    ties: int
    """Votes that count and are ties."""
    merged: int
    """Votes merged into a row that already had a vote."""
    conflicting: int
    """Rows with votes for both answers."""


class Preferences(NamedTuple):
    """The rows, sorted by pair id, with the votes and counts behind them."""

    rows: list[PreferenceRow]
    votes: list[VoteRow]
    """The single votes on each row, in the order of the rows."""
    counts: Counts
    agreement: Agreement | None
    """Agreement of people who voted on the same row; None if no row has two votes."""


def preferences(
    events: Iterable[Event],
    split: SplitSettings,
    salt: str,
    criterion: str | None = None,
    min_rating_difference: float = forms.MIN_RATING_DIFFERENCE,
) -> Preferences:
    """One row per prompt, pair of answers and criterion, with the last vote of each person on it.

    Votes come from all forms of feedback (`feedback.forms`). With `criterion`, rows and agreement are restricted to
    that criterion; the counts still cover all votes. `events` must be in the order of their arrival within a round.
    """
    arrival = arrived(events)
    ordered = chronological(arrival)
    cast = forms.cast(effective(ordered), min_rating_difference)
    final = last_votes(cast)
    ballots: defaultdict[PairKey, list[Vote]] = defaultdict(list)
    for vote in final:
        if vote.share is not None:
            ballots[vote.pair].append(vote)
    groups = frozen_groups(arrival)
    selected = {pair: ballot for pair, ballot in ballots.items() if criterion in (None, pair.criterion)}
    pairs = [
        (_row(pair, ballot, _group(ballot, groups), split, salt), ballot)
        for pair, ballot in selected.items()
        if pair.first != pair.second
    ]
    pairs.sort(key=lambda pair: pair[0].pair_id)
    counts = _counts(ordered, cast, final, ballots)
    shares = [[vote.share for vote in ballot if vote.share is not None] for ballot in selected.values()]
    vote_rows = [vote for row, ballot in pairs for vote in _vote_rows(row, ballot)]
    return Preferences([row for row, _ in pairs], vote_rows, counts, agreement(shares))


def demonstrations(events: Iterable[Event], split: SplitSettings, salt: str) -> list[DemonstrationRow]:
    """One row per prompt and answer that people wrote or edited (the edited text), sorted by prompt id and answer."""
    arrival = arrived(events)
    groups = frozen_groups(arrival)
    authors: defaultdict[tuple[str, str], dict[str, Event]] = defaultdict(dict)
    for event in effective(chronological(arrival)):
        for completion in _completions(event):
            authors[event.prompt_id, completion].setdefault(person(event), event)
    return [
        DemonstrationRow(
            group=(group := group_of(next(iter(by.values())), groups)),
            split=split.split_of(group, salt),
            prompt=_turns(next(iter(by.values())).prompt),
            completion=completion,
            weight=float(len(by)),
            feedback_ids=[event.feedback_id for event in by.values()],
        )
        for (_, completion), by in sorted(authors.items(), key=lambda item: item[0])
    ]


def preference_table(rows: Sequence[PreferenceRow]) -> pa.Table:
    """Rows as a table with the columns of `PREFERENCES`."""
    return table(rows, PREFERENCES)


def vote_table(rows: Sequence[VoteRow]) -> pa.Table:
    """Rows as a table with the columns of `VOTES`."""
    return table(rows, VOTES)


def demonstration_table(rows: Sequence[DemonstrationRow]) -> pa.Table:
    """Rows as a table with the columns of `DEMONSTRATIONS`."""
    return table(rows, DEMONSTRATIONS)


def _row(pair: PairKey, ballot: Sequence[Vote], group: str, split: SplitSettings, salt: str) -> PreferenceRow:
    weight = fsum(vote.weight for vote in ballot)
    for_first = fsum(vote.weight * vote.share for vote in ballot if vote.share is not None) / weight
    chosen, rejected = (pair.first, pair.second) if for_first >= 0.5 else (pair.second, pair.first)
    first = ballot[0].event
    return PreferenceRow(
        pair_id=hashlib.sha256(json.dumps(pair).encode()).hexdigest()[:32],
        group=group,
        split=split.split_of(group, salt),
        prompt=_turns(first.prompt),
        chosen=chosen,
        rejected=rejected,
        p_chosen=max(for_first, 1 - for_first),
        weight=weight,
        n_votes=len(ballot),
        criterion=pair.criterion,
        source=first.source,
        round=first.round,
        feedback_ids=list(dict.fromkeys(event.feedback_id for vote in ballot for event in vote.events)),
        strength=_strength(ballot, chosen == pair.first),
        kinds=sorted({vote.event.kind for vote in ballot}),
    )


def _group(ballot: Sequence[Vote], groups: Mapping[str, str]) -> str:
    """The group of the first event that arrived with a vote on this pair."""
    return group_of(min((vote.event for vote in ballot), key=lambda event: event.round), groups)


def _strength(ballot: Sequence[Vote], for_first: bool) -> float | None:
    """The weighted mean strength of the votes that state one, those for the rejected answer negative; at least 0."""
    stated = [vote for vote in ballot if vote.strength is not None and vote.share is not None]
    if not stated:
        return None
    signed = fsum(vote.weight * (vote.strength or 0) * (2 * (vote.share or 0) - 1) for vote in stated)
    return max((signed if for_first else -signed) / fsum(vote.weight for vote in stated), 0.0)


def _vote_rows(row: PreferenceRow, ballot: Sequence[Vote]) -> list[VoteRow]:
    """The votes on one row: 1 for its chosen answer, 0 for the rejected one, .5 for a tie."""
    for_first = row.chosen == ballot[0].pair.first
    shares = [(vote, vote.share) for vote in ballot if vote.share is not None]
    return [
        VoteRow(row.pair_id, row.group, row.split, vote.annotator, share if for_first else 1 - share, vote.event.round)
        for vote, share in shares
    ]


def _counts(
    ordered: Sequence[Event],
    cast: Sequence[Vote],
    final: Sequence[Vote],
    ballots: Mapping[PairKey, Sequence[Vote]],
) -> Counts:
    valid = effective(ordered)
    counted = sum(map(len, ballots.values()))
    rows = [ballot for pair, ballot in ballots.items() if pair.first != pair.second]
    return Counts(
        events=len(ordered),
        inactive=len(ordered) - len(valid),
        kinds=dict(sorted(Counter(event.kind for event in valid).items())),
        unpaired=forms.without_votes(valid, cast, KINDS),
        corrections=sum(any(vote.event.kind == "correction" for vote in ballot) for ballot in rows),
        equal_answers=sum(map(equal_answers, valid)),
        repeated=len(cast) - len(final),
        abstained=len(final) - counted,
        votes=counted,
        ties=sum(vote.share == 0.5 for vote in final),
        merged=sum(map(len, rows)) - len(rows),
        conflicting=sum({0.0, 1.0} <= {vote.share for vote in ballot} for ballot in rows),
    )


def _completions(event: Event) -> list[str]:
    if event.kind == "demonstration":
        return [response.text for response in event.responses]
    if event.kind == "correction":
        return [response.text for response in event.responses if response.parent_ix is not None]
    return []


def _turns(prompt: Iterable[Turn]) -> Turns:
    return [{"role": turn.role, "content": turn.content} for turn in prompt]
