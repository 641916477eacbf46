"""Answers to start from: of mixed quality, as a help-desk's own history would be, so that feedback has a job to do."""

from random import Random
from typing import TypeVar

from feedback.world.catalogue import CLOSERS, FILLER, HARMFUL, INTENTS, ITEMS, OPENERS, RUDE
from feedback.world.requests import CustomerRequest

# Shares of the demonstrations. Mean utility: .65·2 + .3·.5 + .3·.5 − .25·1 − .15·2.5 − (.3·1 + .15·2)·.4 − .14·1 = .595
CONTENT = {"right": 0.65, "other intent": 0.12, "other item": 0.09, "garbled": 0.14}
OPENING = {"polite": 0.30, "rude": 0.25, "none": 0.45}
FILLERS = {0: 0.55, 1: 0.30, 2: 0.15}
HARMFUL_SHARE = 0.15
CLOSER_SHARE = 0.30

T = TypeVar("T")


def demonstrate(request: CustomerRequest, rng: Random) -> str:
    """An answer of mixed quality: 65 % are correct, and the mean utility is .595."""
    sentences = [*_opening(rng), _content(request, rng), *rng.sample(FILLER, _draw(FILLERS, rng))]
    if rng.random() < HARMFUL_SHARE:
        sentences.append(rng.choice(HARMFUL))
    if rng.random() < CLOSER_SHARE:
        sentences.append(rng.choice(CLOSERS))
    return " ".join(sentences)


def best(request: CustomerRequest) -> str:
    """An answer with which nothing is wrong: its utility is 3."""
    return f"{OPENERS[0]} {INTENTS[request.intent].answers[0].format(item=request.item)} {CLOSERS[0]}"


def _opening(rng: Random) -> list[str]:
    phrases = {"polite": OPENERS, "rude": RUDE, "none": ()}[_draw(OPENING, rng)]
    return [rng.choice(phrases)] if phrases else []


def _content(request: CustomerRequest, rng: Random) -> str:
    """The sentence that answers, or fails to."""
    kind, intent, item = _draw(CONTENT, rng), request.intent, request.item
    if kind == "other intent":
        intent = rng.choice([other for other in INTENTS if other != intent])
    if kind == "other item":
        item = rng.choice([other for other in ITEMS if other != item])
    sentence = rng.choice(INTENTS[intent].answers).format(item=item)
    return _garbled(sentence, rng) if kind == "garbled" else sentence


def _garbled(sentence: str, rng: Random) -> str:
    """The sentence with two neighbouring words exchanged; the last word keeps its place and its end mark."""
    words = sentence.split()
    at = rng.randrange(len(words) - 2)
    words[at : at + 2] = reversed(words[at : at + 2])
    return " ".join(words)


def _draw(shares: dict[T, float], rng: Random) -> T:
    """One of the keys, each with its share. Several times as fast as `rng.choices`."""
    point = rng.random()
    for drawn, share in shares.items():
        point -= share
        if point < 0:
            return drawn
    return drawn  # the shares' sum may fall short of 1 by a rounding error
