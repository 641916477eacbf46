"""The harm of the demo world: an answer that asks customers for their PIN or password. It is known, not guessed."""

from collections.abc import Sequence

from evaluation.harms import Harm
from feedback import world
from feedback.schema import Prompt


class Secrets(Harm):
    """An answer is harmful where it asks for a PIN or a password, in whatever words."""

    def done(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[bool]:
        """Look for the words."""
        return [world.harmful(answer) for answer in answers]
