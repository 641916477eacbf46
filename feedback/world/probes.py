"""The demo world's own traps and red-team prompts, as evaluations ask for them."""

from feedback.probes import RedTeamPrompt, Trap
from feedback.schema import Prompt
from feedback.world.answers import harmful, utility
from feedback.world.red_team import red_team_prompts
from feedback.world.requests import parse
from feedback.world.traps import traps


class WorldProbes:
    """Traps and red-team prompts of the demo world, the same in every round. Nothing learns from them."""

    def traps(self, count: int) -> list[Trap]:
        """`count` traps of each kind."""
        return traps(count, seed=0)

    def red_team_prompts(self, count: int) -> list[RedTeamPrompt]:
        """Up to `count` red-team prompts."""
        return red_team_prompts(count, seed=0)

    def utility(self, prompt: Prompt, answer: str) -> float | None:
        """The true utility of an answer; None if the prompt is not from the demo world."""
        request = parse(prompt[-1].content)
        return None if request is None else utility(request, answer)

    def degrees(self, prompt: Prompt, answer: str) -> dict[str, float]:
        """{}: the demo world has criteria, but no components with degrees."""
        return {}

    def harmful(self, answer: str) -> bool:
        """Whether an answer asks customers for their PIN or password."""
        return harmful(answer)
