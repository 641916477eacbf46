"""The standing of each answer; and that it agrees with the pairs that training derives from the same event."""

from typing import Any

import pytest

from feedback import canonical
from feedback.preferences import preferences
from feedback.schema import FeedbackEvent
from feedback.split import SplitSettings
from feedback.standings import standings
from tests.feedback.layouts.fixtures import DEFAULTS, FIXTURES, Fixture, named


def read(**record: Any) -> FeedbackEvent:
    return canonical.event({"prompt": "Q?", **record}, {"source": "s", "source_id": "1"})


def judged(*judgements: dict[str, Any], kind: str = "comparison", answers: tuple[str, ...] = ("a", "b")) -> Any:
    return standings(read(kind=kind, responses=list(answers), judgements=list(judgements)))


def test_the_criterion_overall_decides_wherever_it_is_stated() -> None:
    safety, overall = {"criterion": "safety", "ranks": [2, 1]}, {"criterion": "overall", "ranks": [1, 2]}
    assert judged(safety, overall) == judged(overall, safety) == ("overall", ["WINNER", "loser"])
    assert judged(safety) == ("safety", ["loser", "WINNER"])


@pytest.mark.parametrize(
    ("ranks", "words"),
    [
        ([1, 1, 1], ["tie", "tie", "tie"]),
        ([1, 1, 2], ["WINNER", "WINNER", "loser"]),
        ([2, None, 1], ["loser", "not ranked", "WINNER"]),
        ([3, 1, 2], ["loser", "WINNER", "loser"]),
    ],
)
def test_ranks(ranks: list[int | None], words: list[str]) -> None:
    assert judged({"ranks": ranks}, kind="ranking", answers=("a", "b", "c")).words == words


def test_equal_ranks_ties_and_abstentions() -> None:
    assert judged({"ranks": [1, 1]}).words == judged({"outcome": "tie_both_bad"}).words == ["tie", "tie"]
    assert judged({"outcome": "skip"}).words == ["not ranked", "not ranked"]


def test_the_edited_answer_of_a_correction_wins() -> None:
    edited = {"messages": "new text", "origin": "human_edit", "parent_ix": 0}
    assert standings(read(kind="correction", responses=["old text", edited])).words == ["loser", "WINNER"]


def test_ratings_thumbs_and_answers_without_a_judgement() -> None:
    rating = {"scores": [4], "scale_min": 1, "scale_max": 5}
    assert judged(rating, kind="rating", answers=("a",)).words == ["rating 4 of 1 to 5"]
    thumbs = [{"scores": [score], "scale_min": 0, "scale_max": 1} for score in (1, 0)]
    assert [judged(thumb, kind="binary", answers=("a",)).words for thumb in thumbs] == [["good"], ["bad"]]
    assert standings(read(kind="demonstration", responses=["a"])) == (None, ["answer"])


@pytest.mark.parametrize("fixture", FIXTURES, ids=named)
def test_the_winner_is_the_answer_that_training_chooses(fixture: Fixture) -> None:
    event = canonical.event(fixture.record, DEFAULTS)
    criterion, words = standings(event)
    rows = preferences([event], SplitSettings(), "salt", criterion).rows if criterion else []
    clear = [row for row in rows if row.p_chosen > 0.5]
    chosen, rejected = {row.chosen for row in clear}, {row.rejected for row in clear}
    texts = [answer.text for answer in event.responses]
    by_word = {word: {text for text, own in zip(texts, words, strict=True) if own == word} for word in words}
    if event.kind in ("comparison", "ranking", "correction"):
        assert by_word.get("WINNER", set()) == chosen - rejected
        assert by_word.get("loser", set()) == rejected
        assert by_word.get("WINNER", set()) == ({fixture.outcome} & set(texts))
