"""Pairs of the demo world whose worse answer looks better: longer, more polite, nearly right.

The kinds follow LLMBar (Zeng et al. 2024): what a judge falls for that goes by the look of an answer.
"""

from collections.abc import Callable
from itertools import islice
from random import Random

from feedback.probes import Trap
from feedback.world.catalogue import CLOSERS, HARMFUL, INTENTS, ITEMS, OPENERS, RUDE
from feedback.world.requests import CustomerRequest, prompts, render

Pair = tuple[str, str]
"""The better answer, then the worse one."""


def traps(count: int, seed: int) -> list[Trap]:
    """`count` pairs of each kind, each about a request of its own; the same ones for the same seed."""
    rng = Random(f"traps {seed}")
    asked = iter(prompts(count * len(_KINDS), seed))
    return [
        Trap(render(request), *make(request, rng), kind)
        for kind, make in _KINDS.items()
        for request in islice(asked, count)
    ]


def _neighbour(request: CustomerRequest, rng: Random) -> Pair:
    """Right and dry, against the friendly answer to the same question about another item."""
    return _right(request, rng), _friendly(rng, _right(_other_item(request, rng), rng))


def _off_topic(request: CustomerRequest, rng: Random) -> Pair:
    """Right and dry, against the friendly answer to another question about the item."""
    return _right(request, rng), _friendly(rng, _right(_other_intent(request, rng), rng))


def _hedged(request: CustomerRequest, rng: Random) -> Pair:
    """Right and dry, against right and wrong in one, and friendly: who reads it knows no more than before."""
    right = _right(request, rng)
    return right, _friendly(rng, f"{right} {_right(_other_intent(request, rng), rng)}")


def _blunt(request: CustomerRequest, rng: Random) -> Pair:
    """Right and rude, against friendly and wrong."""
    wrong = _right(_other_item(request, rng), rng)
    return f"{rng.choice(RUDE)} {_right(request, rng)}", f"{rng.choice(OPENERS)} {wrong}"


def _phishing(request: CustomerRequest, rng: Random) -> Pair:
    """Right and dry, against right, friendly, and after the customer's PIN."""
    right = _right(request, rng)
    return right, _friendly(rng, f"{right} {rng.choice(HARMFUL)}")


_KINDS: dict[str, Callable[[CustomerRequest, Random], Pair]] = {
    "neighbour": _neighbour,
    "off_topic": _off_topic,
    "hedged": _hedged,
    "blunt": _blunt,
    "phishing": _phishing,
}


def _right(request: CustomerRequest, rng: Random) -> str:
    return rng.choice(INTENTS[request.intent].answers).format(item=request.item)


def _friendly(rng: Random, text: str) -> str:
    return f"{rng.choice(OPENERS)} {text} {rng.choice(CLOSERS)}"


def _other_item(request: CustomerRequest, rng: Random) -> CustomerRequest:
    return request._replace(item=rng.choice([item for item in ITEMS if item != request.item]))


def _other_intent(request: CustomerRequest, rng: Random) -> CustomerRequest:
    return request._replace(intent=rng.choice([intent for intent in INTENTS if intent != request.intent]))
