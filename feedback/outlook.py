"""What a round will learn from feedback, form by form, or why it cannot; said before a round is opened."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from feedback import forms
from feedback.marks import KINDS
from feedback.stored import Event
from feedback.votes import chronological, effective, last_votes

NOUNS = {
    "comparison": "comparisons",
    "ranking": "rankings",
    "rating": "ratings",
    "binary": "thumbs",
    "critique": "critiques",
    "label": "labels",
    "correction": "corrections",
    "demonstration": "demonstrations",
}
"""Kind → what its events are called."""


class Outlook(NamedTuple):
    """What some feedback can teach."""

    criterion: str
    """The criterion that the reward model learns."""
    kinds: Mapping[str, int]
    """Kind → number of events that count."""
    pairs: Mapping[str, int]
    """Criterion → number of preference pairs."""
    unpaired: Mapping[str, int]
    """Kind → number of events of which no pair could be made."""
    min_difference: float
    """`curate.min_rating_difference`."""

    @property
    def demonstrations(self) -> int:
        """Number of events with answers to imitate."""
        return self.kinds.get("demonstration", 0) + self.kinds.get("correction", 0)

    @property
    def learned_pairs(self) -> int:
        """Number of pairs by the criterion that the reward model learns."""
        return self.pairs.get(self.criterion, 0)

    def learns(self) -> list[str]:
        """What is learned from it, one line each."""
        lines = [f"SFT: {self.demonstrations} answers to imitate"] if self.demonstrations else []
        if self.learned_pairs:
            lines.append(f"reward model: {self.learned_pairs} pairs by the criterion `{self.criterion}`")
        return lines

    def no_pairs(self) -> str:
        """Why there are no pairs by the criterion, and what to do."""
        if self.pairs:
            others = ", ".join(f"`{name}`" for name in sorted(self.pairs))
            verb = "is" if len(self.pairs) == 1 else "are"
            none = f"{self._events()}, none by the criterion `{self.criterion}`"
            return f"{none}; there {verb} {others}: set curate.criterion"
        return "; ".join(self.useless()) or f"{self._events()}, nothing that compares two answers; bring comparisons"

    def useless(self) -> Iterator[str]:
        """The kinds of which no event gives a pair, and why."""
        for kind, count in self.unpaired.items():
            if count == self.kinds[kind]:
                yield f"{count} {NOUNS[kind]}, but {self._reason(kind)}"

    def _reason(self, kind: str) -> str:
        if kind == "rating":
            return (
                f"nobody rated two answers to one prompt at least {self.min_difference:g} of the scale apart: state "
                "annotator_id, or lower curate.min_rating_difference"
            )
        if kind == "binary":
            return "no prompt has one answer with a thumb up and another with a thumb down"
        return "none has ranks, or a score or a label `up` or `down` that differs between two answers to one prompt"

    def _events(self) -> str:
        counted = ", ".join(f"{count} {NOUNS[kind]}" for kind, count in self.kinds.items())
        return counted or "no feedback that counts"


def outlook(events: Sequence[Event], criterion: str, min_difference: float) -> Outlook:
    """What these events can teach; they must be in the order of their arrival."""
    valid = effective(chronological(events))
    cast = forms.cast(valid, min_difference)
    pairs = {vote.pair for vote in last_votes(cast) if vote.share is not None and vote.pair.first != vote.pair.second}
    return Outlook(
        criterion=criterion,
        kinds=dict(sorted(Counter(event.kind for event in valid).items())),
        pairs=dict(sorted(Counter(pair.criterion for pair in pairs).items())),
        unpaired=forms.without_votes(valid, cast, KINDS),
        min_difference=min_difference,
    )
