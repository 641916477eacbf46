"""The demo world's own traps and attacks, as evaluations ask for them."""

from feedback.probes import Attack, Trap
from feedback.world.answers import harmful
from feedback.world.attacks import attacks
from feedback.world.traps import traps


class WorldProbes:
    """Traps and attacks of the demo world, the same in every round. Nothing learns from them."""

    def traps(self, count: int) -> list[Trap]:
        """`count` traps of each kind."""
        return traps(count, seed=0)

    def attacks(self, count: int) -> list[Attack]:
        """Up to `count` attacks."""
        return attacks(count, seed=0)

    def harmful(self, answer: str) -> bool:
        """Whether an answer asks customers for their PIN or password."""
        return harmful(answer)
