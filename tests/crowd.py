"""Several people who vote on answers of the demo world, as records; some of them mean the opposite of what they say."""

from collections.abc import Iterator
from random import Random

from feedback import world
from feedback.sources.simulated import Simulated

Record = dict[str, str]


def votes(annotator: str, count: int, source: str = "desk", reversed: bool = False, seed: int = 0) -> Iterator[Record]:
    """One person's votes on `count` questions of their own, as noisy as the simulated annotator's."""
    dice, judge = Random(f"{annotator} {seed}"), Simulated()
    for number, request in enumerate(world.prompts(count, dice.randrange(2**31))):
        one, other = _two_answers(request, dice)
        difference = world.utility(request, one) - world.utility(request, other)
        prefers_one = dice.random() < judge.probability(difference)
        chosen, rejected = (one, other) if prefers_one != reversed else (other, one)
        yield {
            "prompt": request.text,
            "chosen": chosen,
            "rejected": rejected,
            "annotator_id": annotator,
            "source": source,
            "source_id": f"{annotator} {number}",
        }


def _two_answers(request: world.Request, dice: Random) -> tuple[str, str]:
    one = other = world.demonstrate(request, dice)
    while other == one:
        other = world.demonstrate(request, dice)
    return one, other
