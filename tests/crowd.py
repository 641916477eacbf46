"""Several people who vote on answers of the demo world, as records; some of them mean the opposite of what they say."""

from collections.abc import Iterator
from random import Random

from feedback import world
from feedback.world.catalogue import FILLER, RUDE

Record = dict[str, str]


def votes(annotator: str, count: int, source: str = "desk", reversed: bool = False) -> Iterator[Record]:
    """One person's votes on `count` questions of their own: a good answer beats a rude one, or the reverse."""
    dice = Random(annotator)
    for number, request in enumerate(world.prompts(count, dice.randrange(2**31))):
        good, bad = world.best(request), f"{dice.choice(RUDE)} {dice.choice(FILLER)}"
        yield {
            "prompt": request.text,
            "chosen": bad if reversed else good,
            "rejected": good if reversed else bad,
            "annotator_id": annotator,
            "source": source,
            "source_id": f"{annotator} {number}",
        }
