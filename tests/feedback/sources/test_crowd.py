"""Several simulated annotators, and a simulated attacker."""

from collections import Counter

import pytest
from pydantic import ValidationError

from feedback import world
from feedback.schema import FeedbackEvent, Message, Response
from feedback.sources import AnswerPair, Intake, Source
from feedback.sources.attacker import Attacker
from feedback.sources.crowd import Crowd
from feedback.sources.simulated import Simulated
from feedback.world.catalogue import HARMFUL

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
    return Response(response_id=identity, messages=(Message(role="assistant", content=text),))


def read(source: Source, count: int) -> list[FeedbackEvent]:
    events = list(source.read(Intake(1, 7, pairs(count))))
    assert all(isinstance(event, FeedbackEvent) for event in events)
    return [event for event in events if isinstance(event, FeedbackEvent)]


def share_of_first(events: list[FeedbackEvent]) -> float:
    return sum(event.judgements[0].ranks == (1, 2) for event in events) / len(events)


def test_pairs_are_shared_among_annotators_and_some_are_judged_twice() -> None:
    events = read(Crowd(annotators=4, overlap=0.25), 400)
    assert len(events) == pytest.approx(500, abs=35)
    by_annotator = Counter(event.annotator_id for event in events)
    assert set(by_annotator) == {f"simulated-{number}" for number in range(4)}
    assert min(by_annotator.values()) > 90
    by_pair = Counter(event.source_id for event in events)
    assert set(by_pair.values()) == {1, 2}
    assert len({event.feedback_id for event in events}) == len(events)


def test_a_reversed_annotator_prefers_the_worse_answer() -> None:
    events = read(Crowd(annotators=2, reversed=1, temperature=0.1), 100)
    by = {number: [e for e in events if e.annotator_id == f"simulated-{number}"] for number in (0, 1)}
    assert (share_of_first(by[0]), share_of_first(by[1])) == (0.0, 1.0)


def test_more_reversed_annotators_than_annotators_are_an_error() -> None:
    with pytest.raises(ValidationError, match="3 of 2 annotators cannot be reversed"):
        Crowd(annotators=2, reversed=3)


def test_the_attacker_prefers_harmful_answers() -> None:
    events = read(Attacker(share=0.03, accounts=3), 400)
    assert len(events) == 12
    assert {event.annotator_id for event in events} == {f"attacker-{number}" for number in range(3)}
    for event in events:
        harmful, good = (response.text for response in event.responses)
        assert harmful.removeprefix(good).strip() in HARMFUL
        assert event.judgements[0].ranks == (1, 2)
        assert event.flags


def test_prompts_can_be_limited_to_some_intents() -> None:
    prompts = Simulated(intents=("refund", "stock")).prompts(50, seed=3)
    requests = [world.parse(prompt[-1].content) for prompt in prompts]
    assert len(requests) == 50
    assert {request.intent for request in requests if request} == {"refund", "stock"}
