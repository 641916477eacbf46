"""Annotators who contradict all others: each one's votes, compared with a model that was trained on other pairs.

The reward model scores the pairs that the judge was trained on, and the judge those of the reward model. An annotator
who votes at random, inverted, or to poison the data agrees with them less often than the others do. Many good votes
from earlier rounds would mask an annotator who turned in the newest round, so its votes are also tested separately.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from evaluation.statistics.intervals import holm

MIN_VOTES = 10
"""Votes needed to test an annotator separately; those with fewer are pooled."""
REST = f"those with fewer than {MIN_VOTES} votes"


class AnnotatorAgreement(NamedTuple):
    """How often one annotator agrees with the models, and how often all others do."""

    annotator: str
    votes: int
    """Non-tied votes, at most one per prompt group."""
    agreement: float
    others: float
    p: float
    """P-value of so low an agreement, adjusted for all annotators and both tests of each (Holm 1979)."""
    newest: bool = False
    """Only the votes of the newest round are counted: an account may have changed hands."""


def compare(votes: Sequence[Mapping[str, Any]], margins: Mapping[str, float]) -> list[AnnotatorAgreement]:
    """All annotators with enough votes, in all rounds and in the newest, sorted by p-value.

    Empty if there are fewer than two to compare. Only one vote per annotator and prompt group counts, so that votes
    are independent; if all annotators were alike, the number that agree would be hypergeometric (Fisher's exact
    test, one-sided; Fisher 1935).

    Args:
        votes: rows with the columns of `feedback.rows.VOTES`.
        margins: pair id → score of the chosen answer above the rejected one; pairs without a margin are left out.
    """
    last = max((vote["round"] for vote in votes), default=0)
    new = [vote for vote in votes if vote["round"] == last]
    agreements = _agreements(votes, margins)
    if len(new) < len(votes):
        agreements += [row._replace(newest=True) for row in _agreements(new, margins)]
    adjusted = holm([row.p for row in agreements])
    ranked = (row._replace(p=p) for row, p in zip(agreements, adjusted, strict=True))
    return sorted(ranked, key=lambda row: (row.p, row.annotator, row.newest))


def _agreements(votes: Sequence[Mapping[str, Any]], margins: Mapping[str, float]) -> list[AnnotatorAgreement]:
    """The agreement of each annotator in one set of votes, with unadjusted p-values."""
    from scipy.stats import hypergeom  # takes a second to import; reading a verdict must not wait for it

    agreed = _pooled(_agreed(votes, margins))
    total, agreeing = (sum(count(own) for own in agreed.values()) for count in (len, sum))
    if len(agreed) < 2:
        return []
    return [
        AnnotatorAgreement(
            annotator=name,
            votes=len(own),
            agreement=sum(own) / len(own),
            others=(agreeing - sum(own)) / (total - len(own)),
            p=float(hypergeom.cdf(sum(own), total, agreeing, len(own))),
        )
        for name, own in sorted(agreed.items())
    ]


def _agreed(votes: Sequence[Mapping[str, Any]], margins: Mapping[str, float]) -> dict[str, list[bool]]:
    """Whether each non-tied vote agrees with the model, by annotator."""
    by_group = {
        (vote["annotator"], vote["group"]): (vote["chosen"] > 0.5) == (margins[vote["pair_id"]] > 0)
        for vote in votes
        if vote["chosen"] != 0.5 and vote["pair_id"] in margins
    }
    agreed: defaultdict[str, list[bool]] = defaultdict(list)
    for (annotator, _), agrees in by_group.items():
        agreed[annotator].append(agrees)
    return agreed


def _pooled(agreed: Mapping[str, list[bool]]) -> dict[str, list[bool]]:
    """Annotators with few votes pooled into one; left out if the pool is too small as well."""
    separate = {name: own for name, own in agreed.items() if len(own) >= MIN_VOTES}
    rest = [agrees for name, own in agreed.items() if name not in separate for agrees in own]
    return separate | ({REST: rest} if len(rest) >= MIN_VOTES else {})
