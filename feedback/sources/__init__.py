"""Where feedback comes from: one file a source. `use: hh_rlhf` loads `feedback/sources/hh_rlhf.py`."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from core.plugins import Plugin
from feedback.probes import Probes
from feedback.schema import FeedbackEvent, Message, RejectedRecord, Response


class AnswerPair(NamedTuple):
    """Two answers to one prompt that wait for a judgement. Sides are as shown: the first is on the left."""

    pair_id: str
    prompt: tuple[Message, ...]
    responses: tuple[Response, Response]


class Intake(NamedTuple):
    """What a source may know of the round that it feeds."""

    round: int
    seed: int
    pairs: Sequence[AnswerPair] = ()
    """Answers that wait for labels. Only sources with `labels = True` look at them."""
    cast: Sequence[FeedbackEvent] = ()
    """Votes on these pairs that people have handed in."""


class Source(Plugin):
    """A source of feedback."""

    labels: ClassVar[bool] = False
    """True where the source judges the pairs it is given (a simulated annotator): answers are worth collecting."""

    @abstractmethod
    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """All that this source has for the round, unusable records included (as `RejectedRecord`, in place)."""

    def check(self) -> None:
        """Find out before a round is opened whether the source can be read.

        Raises:
            BadFeedback: what it reads is not there.
        """
        return

    def fingerprint(self) -> str:
        """Changes when the source has something new to read; empty for one that has nothing until it is asked."""
        return ""

    def ceiling(self, pairs: Sequence[Mapping[str, Any]]) -> float | None:
        """The best accuracy that any model can have on this source's votes on pairs, where its noise is known.

        Pairs are preference rows: prompt, chosen, rejected.
        """
        return None

    def probes(self) -> Probes | None:
        """What models are tried with that learn from this source, where it knows that; None by default."""
        return None

    def prompts(self, count: int, seed: int) -> list[tuple[Message, ...]]:
        """Up to `count` prompts to collect answers for. None by default: then the feedback's own prompts serve."""
        return []
