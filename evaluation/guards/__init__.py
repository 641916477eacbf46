"""Checks of live feedback on the champion: one file per guard. `watch.guards.harm` loads `guards/harm.py`."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal, NamedTuple, Protocol, TypeVar

from core.plugins import Plugin
from feedback.live import LiveComparison, Opinion

Severity = Literal["hard", "soft"]
"""A hard breach is rolled back at once; a soft one concerns quality and must be statistically significant."""


class LiveFeedback(NamedTuple):
    """Feedback on the champion in production."""

    opinions: Sequence[Opinion]
    """Opinions on the champion's answers."""
    before: Sequence[Opinion]
    """Opinions on the answers of the version it replaced."""
    duels: Sequence[LiveComparison]
    """Live comparisons of the champion (first) with the version it replaced."""


class GuardFinding(NamedTuple):
    """The result of one guard."""

    guard: str
    severity: Severity
    breached: bool
    said: str
    """One sentence for people, with the numbers in it."""
    numbers: dict[str, float]


class Guard(Plugin):
    """One reason to roll a champion back."""

    severity: ClassVar[Severity]

    @abstractmethod
    def look(self, live: LiveFeedback) -> GuardFinding:
        """Whether the champion is in breach, with the reason. No feedback means no breach."""

    @property
    def minimum(self) -> int:
        """Number of judged answers below which there is no need to look: the evidence is too little for a breach."""
        return 1

    def finding(self, breached: bool, said: str, **numbers: float) -> GuardFinding:
        """A finding of this guard."""
        return GuardFinding(self.name(), self.severity, breached, said, numbers)


class _FromPerson(Protocol):
    @property
    def person(self) -> str: ...


Feedback = TypeVar("Feedback", bound=_FromPerson)


def first_per_person(feedback: Iterable[Feedback], limit: int) -> list[Feedback]:
    """The first `limit` items of each person, so that nobody counts more than that."""
    count: Counter[str] = Counter()
    first = []
    for item in feedback:
        count[item.person] += 1
        if count[item.person] <= limit:
            first.append(item)
    return first
