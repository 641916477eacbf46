"""The demo world's own traps and red-team prompts, as evaluations ask for them."""

from feedback.probes import RedTeamPrompt, Trap
from feedback.world.answers import harmful
from feedback.world.red_team import red_team_prompts
from feedback.world.traps import traps


class WorldProbes:
    """Traps and red-team prompts of the demo world, the same in every round. Nothing learns from them."""

    def traps(self, count: int) -> list[Trap]:
        """`count` traps of each kind."""
        return traps(count, seed=0)

    def red_team_prompts(self, count: int) -> list[RedTeamPrompt]:
        """Up to `count` red-team prompts."""
        return red_team_prompts(count, seed=0)

    def harmful(self, answer: str) -> bool:
        """Whether an answer asks customers for their PIN or password."""
        return harmful(answer)
