"""Requests and sentences of the demo world, for its tests."""

from hypothesis import strategies as st

from feedback.world import CustomerRequest
from feedback.world.catalogue import CLOSERS, FILLER, HARMFUL, INTENTS, ITEMS, OPENERS, PREFIXES, RUDE, SUFFIXES

KETTLE = CustomerRequest("return", "kettle", "How do I return the {item}?")
RIGHT = "You can return the kettle within thirty days."
WRONG_ITEM = "You can return the guitar within thirty days."
WRONG_INTENT = "The kettle is under warranty for two years."


@st.composite
def requests(draw: st.DrawFn) -> CustomerRequest:
    """Any customer request."""
    intent = draw(st.sampled_from(sorted(INTENTS)))
    return CustomerRequest(
        intent,
        item=draw(st.sampled_from(ITEMS)),
        question=draw(st.sampled_from(INTENTS[intent].questions)),
        prefix=draw(st.sampled_from(PREFIXES)),
        suffix=draw(st.sampled_from(SUFFIXES)),
    )


def phrases() -> list[str]:
    """Every sentence that does not answer a question."""
    return [*OPENERS, *CLOSERS, *RUDE, *HARMFUL, *FILLER]


def answering() -> list[str]:
    """Every answer of the catalogue, for every item."""
    return [answer.format(item=item) for intent in INTENTS.values() for answer in intent.answers for item in ITEMS]
