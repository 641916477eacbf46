"""Pairs to be judged, and the events that a source makes of them."""

from feedback import world
from feedback.schema import FeedbackEvent, Message, Response
from feedback.sources import AnswerPair, Intake, Source

RUDE = "You should know that."


def pairs(count: int) -> list[AnswerPair]:
    """The best answer on the left, a rude one on the right."""
    return [
        AnswerPair(
            str(number), world.render(request), (answer(f"{number}a", world.best(request)), answer(f"{number}b", RUDE))
        )
        for number, request in enumerate(world.prompts(count, seed=1))
    ]


def answer(identity: str, text: str) -> Response:
    """An answer with one turn."""
    return Response(response_id=identity, messages=(Message(role="assistant", content=text),))


def read(source: Source, count: int) -> list[FeedbackEvent]:
    """The events of a source that judges `count` pairs in round 1."""
    events = list(source.read(Intake(1, 7, pairs(count))))
    assert all(isinstance(event, FeedbackEvent) for event in events)
    return [event for event in events if isinstance(event, FeedbackEvent)]
