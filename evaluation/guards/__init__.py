"""What `watch` looks at in live feedback: one file a guard. `watch.guards.harm` loads `evaluation/guards/harm.py`."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal, NamedTuple, Protocol, TypeVar

from core.plugins import Plugin
from feedback.live import LiveComparison, Opinion

Severity = Literal["hard", "soft"]
"""A hard breach is rolled back at once; a soft one is a matter of how good, and needs to be sure."""


class LiveFeedback(NamedTuple):
    """What people said of the champion while it was in use."""

    opinions: Sequence[Opinion]
    """On the champion's answers."""
    before: Sequence[Opinion]
    """On the answers of the version that it took over from."""
    duels: Sequence[LiveComparison]
    """Of the champion (first) against the version that it took over from."""


class GuardFinding(NamedTuple):
    """What a guard found."""

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
        """Whether the champion is to be left, and why. What nobody spoke of is no breach."""

    def found(self, breached: bool, said: str, **numbers: float) -> GuardFinding:
        """A finding of this guard."""
        return GuardFinding(self.name(), self.severity, breached, said, numbers)


class _Said(Protocol):
    @property
    def person(self) -> str: ...


Said = TypeVar("Said", bound=_Said)


def first_of_each(said: Iterable[Said], most: int) -> list[Said]:
    """Up to `most` of each person's: one who speaks all day is still one person."""
    count: Counter[str] = Counter()
    kept = []
    for one in said:
        count[one.person] += 1
        if count[one.person] <= most:
            kept.append(one)
    return kept
