"""What models learn from, derived from events: one row a pair with all votes on it, one a demonstration.

Pure functions of the events: neither their order nor the time of day changes a row. Derived rows are never edited;
they are made anew from the events.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from math import fsum
from typing import NamedTuple

import pyarrow as pa

from feedback.agreement import Agreement, agreement
from feedback.rows import DEMONSTRATIONS, PREFERENCES, VOTES, DemonstrationRow, PreferenceRow, Turns, VoteRow
from feedback.schema import FeedbackEvent, Message
from feedback.split import SplitSettings
from feedback.votes import PairKey, Vote, equal_answers, frozen_groups, in_time, last_words, person, standing, votes


class Counts(NamedTuple):
    """What became of the events on the way to rows, for the data card."""

    events: int
    inactive: int
    """Events that are withdrawn, quarantined or superseded by another event."""
    kinds: dict[str, int]
    """The other events, by kind. Preferences are made of `comparison` and `ranking`."""
    equal_answers: int
    """Pairs whose two answers have the same text: dropped."""
    repeated: int
    """Votes that the same person cast anew, alike or not: only the last one counts."""
    abstained: int
    """Pairs on which a person would or could not say: dropped."""
    votes: int
    """Votes that count."""
    ties: int
    """Votes that count and prefer neither answer."""
    merged: int
    """Votes that found a row there already: `votes` minus rows."""
    conflicting: int
    """Rows with votes for either answer."""


class Preferences(NamedTuple):
    """The rows, by pair id, and how they came about."""

    rows: list[PreferenceRow]
    votes: list[VoteRow]
    """Who said what of each row, in the order of the rows."""
    counts: Counts
    agreement: Agreement | None
    """Of the people who voted on the same row; None where no row has two votes."""


def preferences(
    events: Iterable[FeedbackEvent], split: SplitSettings, salt: str, criterion: str | None = None
) -> Preferences:
    """One row a prompt, pair of answers and criterion, with the last word of every person on it.

    Given a criterion, rows and agreement are those under it alone; the counts are of all votes.
    """
    ordered = in_time(events)
    cast = [vote for event in standing(ordered) for vote in votes(event)]
    final = last_words(cast)
    ballots: defaultdict[PairKey, list[Vote]] = defaultdict(list)
    for vote in final:
        if vote.share is not None:
            ballots[vote.pair].append(vote)
    groups = frozen_groups(ordered)
    wanted = {pair: ballot for pair, ballot in ballots.items() if criterion in (None, pair.criterion)}
    made = [(_row(pair, ballot, groups[pair.prompt_id], split, salt), ballot) for pair, ballot in wanted.items()]
    made.sort(key=lambda row: row[0].pair_id)
    counts = _counts(ordered, len(cast), final, list(ballots.values()))
    shares = [[vote.share for vote in ballot if vote.share is not None] for ballot in wanted.values()]
    said = [vote for row, ballot in made for vote in _said(row, ballot)]
    return Preferences([row for row, _ in made], said, counts, agreement(shares))


def demonstrations(events: Iterable[FeedbackEvent], split: SplitSettings, salt: str) -> list[DemonstrationRow]:
    """One row a prompt and answer that people wrote, or edited (then the edited text); by prompt id and answer."""
    ordered = in_time(events)
    groups = frozen_groups(ordered)
    authors: defaultdict[tuple[str, str], dict[str, FeedbackEvent]] = defaultdict(dict)
    for event in standing(ordered):
        for completion in _completions(event):
            authors[event.prompt_id, completion].setdefault(person(event), event)
    return [
        DemonstrationRow(
            group=groups[prompt],
            split=split.split_of(groups[prompt], salt),
            prompt=_turns(next(iter(by.values())).prompt),
            completion=completion,
            weight=float(len(by)),
            feedback_ids=[event.feedback_id for event in by.values()],
        )
        for (prompt, completion), by in sorted(authors.items(), key=lambda item: item[0])
    ]


def preference_table(rows: Sequence[PreferenceRow]) -> pa.Table:
    """Rows as a table with the columns of `PREFERENCES`."""
    return pa.Table.from_pylist([row._asdict() for row in rows], schema=PREFERENCES)


def vote_table(rows: Sequence[VoteRow]) -> pa.Table:
    """Rows as a table with the columns of `VOTES`."""
    return pa.Table.from_pylist([row._asdict() for row in rows], schema=VOTES)


def demonstration_table(rows: Sequence[DemonstrationRow]) -> pa.Table:
    """Rows as a table with the columns of `DEMONSTRATIONS`."""
    return pa.Table.from_pylist([row._asdict() for row in rows], schema=DEMONSTRATIONS)


def _row(pair: PairKey, ballot: Sequence[Vote], group: str, split: SplitSettings, salt: str) -> PreferenceRow:
    weight = fsum(vote.weight for vote in ballot)
    for_first = fsum(vote.weight * vote.share for vote in ballot if vote.share is not None) / weight
    won, lost = (pair.first, pair.second) if for_first >= 0.5 else (pair.second, pair.first)
    first = ballot[0].event
    return PreferenceRow(
        pair_id=hashlib.sha256(json.dumps(pair).encode()).hexdigest()[:32],
        group=group,
        split=split.split_of(group, salt),
        prompt=_turns(first.prompt),
        chosen=won,
        rejected=lost,
        p_chosen=max(for_first, 1 - for_first),
        weight=weight,
        n_votes=len(ballot),
        criterion=pair.criterion,
        source=first.source,
        round=first.round,
        feedback_ids=[vote.event.feedback_id for vote in ballot],
    )


def _said(row: PreferenceRow, ballot: Sequence[Vote]) -> list[VoteRow]:
    """The votes on one row, as shares for its chosen answer."""
    for_first = row.chosen == ballot[0].pair.first
    shares = [(vote.event, vote.share) for vote in ballot if vote.share is not None]
    return [
        VoteRow(row.pair_id, row.group, row.split, event.annotator_id, share if for_first else 1 - share, event.round)
        for event, share in shares
    ]


def _counts(ordered: Sequence[FeedbackEvent], cast: int, final: Sequence[Vote], ballots: list[list[Vote]]) -> Counts:
    valid = standing(ordered)
    counted = sum(map(len, ballots))
    return Counts(
        events=len(ordered),
        inactive=len(ordered) - len(valid),
        kinds=dict(sorted(Counter(event.kind for event in valid).items())),
        equal_answers=sum(map(equal_answers, valid)),
        repeated=cast - len(final),
        abstained=len(final) - counted,
        votes=counted,
        ties=sum(vote.share == 0.5 for vote in final),
        merged=counted - len(ballots),
        conflicting=sum({0.0, 1.0} <= {vote.share for vote in ballot} for ballot in ballots),
    )


def _completions(event: FeedbackEvent) -> list[str]:
    if event.kind == "demonstration":
        return [response.text for response in event.responses]
    if event.kind == "correction":
        return [response.text for response in event.responses if response.parent_ix is not None]
    return []


def _turns(prompt: Iterable[Message]) -> Turns:
    return [turn.model_dump() for turn in prompt]
