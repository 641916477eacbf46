"""Records that would count for both of two answers, and similar ones that are usable."""

from typing import Any

import pytest

from core.errors import BadFeedback
from feedback import canonical
from feedback.forms import cast
from feedback.schema import FeedbackEvent

ASK = {"prompt": "Name a fruit.", "responses": ["Apple.", "Rain."], "annotator_id": "ana"}
ONE = ASK | {"responses": ["Apple."]}
SAME = ASK | {"responses": ["Apple.", " apple. "]}
SCALE = {"scale_min": 1, "scale_max": 5}


def edit(edited: str = "Rain.") -> dict[str, Any]:
    return ASK | {"responses": [{"messages": "Apple."}, {"messages": edited, "parent_ix": 0}]}


def read(kind: str, record: dict[str, Any], *judgements: dict[str, Any]) -> FeedbackEvent:
    return canonical.event(record | {"kind": kind, "judgements": list(judgements)}, {"source": "t", "source_id": "1"})


def chosen(event: FeedbackEvent) -> set[tuple[str, str]]:
    """(better, worse) of all votes."""
    sides = [(vote.pair.first, vote.pair.second, vote.share) for vote in cast([event])]
    better = {(first, second) for first, second, share in sides if share == 1}
    return better | {(second, first) for first, second, share in sides if share == 0}


@pytest.mark.parametrize(
    ("kind", "record", "judgements", "reason"),
    [
        ("rating", ASK, [{"ranks": [1, 2], "scores": [1, 5], **SCALE}], "judgements[0].ranks and judgements[0].scores"),
        ("comparison", ASK, [{"ranks": [1, 2], "scores": [3, 8]}], "order responses[0] and responses[1] differently"),
        ("critique", ASK, [{"ranks": [1, 2]}, {"scores": [1, 5]}], "judgements[0].ranks and judgements[1].scores"),
        ("critique", ASK, [{"ranks": [1, 2]}, {"ranks": [2, 1]}], "judgements[0].ranks and judgements[1].ranks"),
        ("comparison", ASK, [{"ranks": [1, 2]}, {"ranks": [2, 1]}], "two different verdicts by the criterion"),
        ("critique", ASK, [{"outcome": "tie", "ranks": [1, 2]}], "outcome tie with ranks that name a winner"),
        ("rating", ASK, [{"outcome": "tie", "scores": [1, 5], **SCALE}], "a tie with scores that name a winner"),
        ("rating", ASK, [{"scores": [1, 5], **SCALE}, {"scores": [5, 1], **SCALE}], "and judgements[1].scores"),
        ("rating", ONE, [{"scores": [1], **SCALE}, {"scores": [5], **SCALE}], "responses[0] with two marks"),
        ("label", ONE, [{"label": "up"}, {"label": "bad"}], "responses[0] with two marks"),
        ("binary", ONE, [{"scores": [1], "label": "down"}], "judgements[0]: the label is 'down'"),
        ("binary", ONE, [{"scores": [-1], "label": "yes"}], "judgements[0]: the label is 'yes'"),
        ("critique", SAME, [{"ranks": [1, 2]}], "one of two answers with the same text is the winner"),
        ("rating", SAME, [{"scores": [5, 1], **SCALE}], "responses[0] and [1], the same text, with two marks"),
        ("correction", edit(), [{"ranks": [1, 2]}], "the correction and judgements[0].ranks"),
        ("correction", edit(" apple. "), [{"ranks": [2, 1]}], "one of two answers with the same text is the winner"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused(kind: str, record: Any, judgements: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(BadFeedback) as refused:
        read(kind, record, *judgements)
    assert reason in str(refused.value)
    assert "expected" in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "record", "judgements", "better"),
    [
        ("rating", ASK, [{"ranks": [2, 1], "scores": [1, 5], **SCALE}], {("Rain.", "Apple.")}),
        ("rating", ASK, [{"scores": [5, None], **SCALE}, {"scores": [None, 1], **SCALE}], {("Apple.", "Rain.")}),
        ("comparison", ASK, [{"ranks": [2, 1], "scores": [4, 4]}], {("Rain.", "Apple.")}),
        ("comparison", ASK, [{"outcome": "tie", "scores": [4, 4]}], set()),
        ("critique", ASK, [{"ranks": [1, 2]}, {"rationale": "No fruit."}], {("Apple.", "Rain.")}),
        ("rating", ONE, [{"scores": [3], **SCALE}, {"scores": [50], "scale_min": 0, "scale_max": 100}], set()),
        ("rating", ONE, [{"criterion": "a", "scores": [1]}, {"criterion": "b", "scores": [5]}], set()),
        ("label", ONE, [{"label": "billing"}, {"label": "refund"}], set()),
        ("binary", ONE, [{"scores": [1], "label": "up"}], set()),
        ("correction", edit(), [{"ranks": [2, 1]}], {("Rain.", "Apple.")}),
        ("correction", edit(" apple. "), [], set()),
    ],
)
def test_what_only_looks_like_one(kind: str, record: Any, judgements: list[dict[str, Any]], better: object) -> None:
    assert chosen(read(kind, record, *judgements)) == better


def test_a_chosen_answer_with_the_lower_score() -> None:
    """The fields of UltraFeedback binarized; there `chosen` never has the lower score."""
    record = {"prompt": "Q?", "chosen": "A", "rejected": "B", "score_chosen": 3, "score_rejected": 8}
    with pytest.raises(BadFeedback, match="order responses\\[0\\] and responses\\[1\\] differently"):
        canonical.event(record, {"source": "t", "source_id": "1"})
    equal = canonical.event(record | {"score_rejected": 3}, {"source": "t", "source_id": "1"})
    assert chosen(equal) == {("A", "B")}
