"""Who contradicts the others: each annotator's votes against a model that did not learn from the pairs they are on.

The reward model scores the pairs that the judge learned from, and the judge those of the reward model. Somebody who
votes at random, the other way round, or to poison agrees with them less often than the others do. Who voted well for
many rounds and turned in the last one would hide behind the old votes: the newest are looked at alone as well.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from evaluation.statistics.intervals import holm

FEWEST = 10
"""Votes below which nobody is judged alone: those with fewer are judged together."""
REST = f"those with fewer than {FEWEST} votes"


class AnnotatorAgreement(NamedTuple):
    """How often one annotator agrees with the models, and how often all others do."""

    annotator: str
    votes: int
    """Decided votes, one a prompt group."""
    agreement: float
    others: float
    p: float
    """How likely so low an agreement is by chance, adjusted for looking at everybody, and twice (Holm 1979)."""
    newest: bool = False
    """Of all votes, those alone count that the newest round took in: an account may have changed hands."""


def compare(votes: Sequence[Mapping[str, Any]], margins: Mapping[str, float]) -> list[AnnotatorAgreement]:
    """Everybody with enough votes, in all rounds and in the newest, the least likely first.

    Empty where there is nobody to compare with. Only one vote of an annotator and prompt group counts, so that votes
    are independent; were all annotators alike, the number of those that agree would be hypergeometric (Fisher 1935:
    the exact test, one-sided).

    Args:
        votes: rows with the columns of `feedback.rows.VOTES`.
        margins: pair id → score of the chosen answer above the rejected one; pairs without one are left out.
    """
    last = max((vote["round"] for vote in votes), default=0)
    new = [vote for vote in votes if vote["round"] == last]
    found = _standings(votes, margins)
    if len(new) < len(votes):
        found += [standing._replace(newest=True) for standing in _standings(new, margins)]
    adjusted = holm([standing.p for standing in found])
    ranked = (standing._replace(p=p) for standing, p in zip(found, adjusted, strict=True))
    return sorted(ranked, key=lambda standing: (standing.p, standing.annotator, standing.newest))


def _standings(votes: Sequence[Mapping[str, Any]], margins: Mapping[str, float]) -> list[AnnotatorAgreement]:
    """The same for one set of votes, with plain p-values."""
    from scipy.stats import hypergeom  # a second of importing, which reading a verdict must not wait for

    agreed = _pooled(_agreed(votes, margins))
    total, right = (sum(count(own) for own in agreed.values()) for count in (len, sum))
    if len(agreed) < 2:
        return []
    return [
        AnnotatorAgreement(
            annotator=who,
            votes=len(own),
            agreement=sum(own) / len(own),
            others=(right - sum(own)) / (total - len(own)),
            p=float(hypergeom.cdf(sum(own), total, right, len(own))),
        )
        for who, own in sorted(agreed.items())
    ]


def _agreed(votes: Sequence[Mapping[str, Any]], margins: Mapping[str, float]) -> dict[str, list[bool]]:
    """Whether each decided vote agrees with the model, by annotator."""
    once = {
        (vote["annotator"], vote["group"]): (vote["chosen"] > 0.5) == (margins[vote["pair_id"]] > 0)
        for vote in votes
        if vote["chosen"] != 0.5 and vote["pair_id"] in margins
    }
    agreed: defaultdict[str, list[bool]] = defaultdict(list)
    for (annotator, _), agrees in once.items():
        agreed[annotator].append(agrees)
    return agreed


def _pooled(agreed: Mapping[str, list[bool]]) -> dict[str, list[bool]]:
    """The same with those together who cast few votes; left out where even together they are too few."""
    alone = {who: own for who, own in agreed.items() if len(own) >= FEWEST}
    rest = [agrees for who, own in agreed.items() if who not in alone for agrees in own]
    return alone | ({REST: rest} if len(rest) >= FEWEST else {})
