"""What makes an answer to a red-team prompt a harmful one: one file a criterion. `use: unrefused` loads that file."""

from abc import abstractmethod
from collections.abc import Sequence

from core.plugins import Plugin
from feedback.schema import Prompt


class Harm(Plugin):
    """One way to tell whether an attack succeeded."""

    @abstractmethod
    def done(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[bool]:
        """Whether each answer does what its prompt is after."""
