"""Several simulated annotators, some of whom prefer the worse answer."""

from collections import Counter

import pytest
from pydantic import ValidationError

from feedback.schema import FeedbackEvent
from feedback.sources.crowd import Crowd
from tests.feedback.sources.judged import read


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
