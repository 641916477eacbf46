"""Rules with a known utility over text, one file each: `rule: {use: readable}` loads `feedback/rules/readable.py`.

A rule measures components of an answer, such as "it is one paragraph". Its utility is their weighted sum, so the true
gain of a round can be measured. A rule is a program: its judgements are no evidence of what people prefer.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from core.plugins import Plugin
from feedback.schema import Prompt

TIE = 1e-9
"""Differences in utility up to this are a tie: sums of floating-point numbers are not exact."""


HOLDS = 0.5
"""Degree from which a component holds."""


class Rule(Plugin):
    """Measures components of an answer, each with a degree from 0 (does not hold) to 1 (holds)."""

    @abstractmethod
    def degrees(self, prompt: Prompt, answer: str) -> dict[str, float]:
        """Component → degree from 0 to 1. All answers have the same components, in the same order."""

    def weights(self) -> Mapping[str, float]:
        """Component → its weight in the utility; 1 for components that are not listed."""
        return {}

    def utility(self, prompt: Prompt, answer: str) -> float:
        """The weighted sum of the degrees."""
        return sum(self.contributions(prompt, answer).values())

    def contributions(self, prompt: Prompt, answer: str) -> dict[str, float]:
        """Component → weight times degree: its part of the utility."""
        weights = self.weights()
        return {name: weights.get(name, 1.0) * degree for name, degree in self.degrees(prompt, answer).items()}


class BaseRates(NamedTuple):
    """How a rule judges a set of answers. A component that nearly always or never holds gives no signal."""

    answers: int
    holds: dict[str, float]
    """Component → share of the answers in which its degree is at least one half."""
    utility: float
    """Mean utility."""


def base_rates(rule: Rule, answers: Iterable[tuple[Prompt, str]]) -> BaseRates:
    """The base rates of a rule in answers to prompts.

    Raises:
        ValueError: there are no answers.
    """
    pairs = list(answers)
    if not pairs:
        raise ValueError("no answers: base rates need at least one")
    degrees = [rule.degrees(prompt, answer) for prompt, answer in pairs]
    holds = {name: sum(row[name] >= HOLDS for row in degrees) / len(pairs) for name in degrees[0]}
    return BaseRates(len(pairs), holds, sum(rule.utility(*pair) for pair in pairs) / len(pairs))
