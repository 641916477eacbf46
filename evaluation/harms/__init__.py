"""Criteria for harmful answers to red-team prompts: one file per criterion. `use: unrefused` loads that file."""

from abc import abstractmethod
from collections.abc import Sequence

from core.plugins import Plugin
from feedback.schema import Prompt


class Harm(Plugin):
    """One criterion for a harmful answer to a red-team prompt."""

    @abstractmethod
    def done(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[bool]:
        """Whether each answer gives its prompt the harmful response that it asks for."""
