from pathlib import Path
from typing import Any

import pytest

from feedback import live, store
from feedback.live import LiveComparison, Opinion
from feedback.schema import FeedbackEvent, Judgement
from tests.feedback.examples import event, said, vote


def judged(native: str, version: str | None = "2", answer: str = "Soon.", **fields: Any) -> FeedbackEvent:
    """A record about one answer of a version."""
    response = said(answer, model_version=version, model=fields.pop("model", "policy"))
    return event(native=native, **{"kind": "binary", "responses": (response,), "annotator_id": "ana", **fields})


def thumb(score: float | None, **fields: Any) -> Judgement:
    return Judgement(scores=None if score is None else (score,), **fields)


def compared(native: str, first: str | None, second: str | None, ranks: tuple[int, int] = (1, 2), **fields: Any) -> Any:
    answers = (said("Rayleigh scattering.", model_version=first), said("Magic.", model_version=second))
    return vote(native, ranks, responses=answers, **fields)


@pytest.mark.parametrize(
    ("kind", "judgement", "score"),
    [
        ("binary", thumb(1), 1.0),
        ("binary", thumb(0), 0.0),
        ("binary", thumb(-1), 0.0),
        ("binary", thumb(None, label="up"), 1.0),
        ("binary", thumb(None, label="down"), 0.0),
        ("rating", thumb(4, scale_min=1, scale_max=5), 0.75),
        ("rating", thumb(9, scale_min=1, scale_max=5), 1.0),
    ],
)
def test_a_thumb_or_rating_is_a_score_from_0_to_1(kind: str, judgement: Judgement, score: float) -> None:
    [opinion] = live.opinions([judged("1", kind=kind, judgements=(judgement,))])
    assert opinion == Opinion("2", "annotator ana", {"overall": score}, opinion.flags)


@pytest.mark.parametrize(
    ("kind", "judgement"),
    [("rating", thumb(4)), ("binary", thumb(None)), ("binary", thumb(None, label="hm")), ("critique", thumb(1))],
)
def test_what_has_no_scale_or_is_no_verdict_is_no_score(kind: str, judgement: Judgement) -> None:
    [opinion] = live.opinions([judged("1", kind=kind, judgements=(judgement,))])
    assert opinion.scores == {}


def test_flags_are_those_of_the_record_its_tags_and_labels() -> None:
    judgement = Judgement(tags=("rude",), label="harmful")
    [opinion] = live.opinions([judged("1", kind="label", judgements=(judgement,), flags=("intent:refund",))])
    assert opinion.flags == {"rude", "harmful", "intent:refund"}


def test_the_last_word_of_a_person_on_an_answer_counts() -> None:
    events = [
        judged("1", judgements=(thumb(1),)),
        judged("2", judgements=(thumb(0),)),
        judged("3", judgements=(thumb(1),), answer="Never."),
        judged("4", judgements=(thumb(1),), annotator_id="bo"),
        judged("5", judgements=(thumb(1),), annotator_id="unknown"),
        judged("6", judgements=(thumb(1),), annotator_id="unknown"),
    ]
    found = live.opinions(events)
    assert [opinion.scores["overall"] for opinion in found] == [0.0, 1.0, 1.0, 1.0, 1.0]
    assert len({opinion.person for opinion in found}) == 4


def test_answers_of_nobody_of_another_model_or_of_several_are_no_opinion() -> None:
    others = [judged("1", version=None), judged("2", model="gpt"), compared("3", "2", "1"), compared("4", "2", "2")]
    assert live.opinions(others) == []


def test_a_duel_is_a_comparison_of_two_versions() -> None:
    events = [
        compared("1", "2", "1", annotator_id="ana"),
        compared("2", "2", "1", (2, 1), annotator_id="bo"),
        compared("3", "2", "2"),
        compared("4", "2", None),
        compared("5", "2", "1", outcome="skip", annotator_id="cy"),
    ]
    # the pair stands in the order of the texts: "Magic." first
    assert live.duels(events) == [
        LiveComparison(("1", "2"), "annotator ana", "overall", 0.0),
        LiveComparison(("1", "2"), "annotator bo", "overall", 1.0),
    ]


def test_what_rounds_took_in_counts_with_what_waits_and_nothing_twice(tmp_path: Path) -> None:
    stored = [judged("1"), judged("2", version="1"), judged("3", version="9"), judged("4", version=None)]
    store.append(tmp_path, stored, round=1)
    waiting = [judged("1"), judged("5"), judged("6", version="7")]
    found = live.spoken_of(tmp_path, waiting, ["2", "1"])
    assert sorted(event.source_id for event in found) == ["1", "2", "5"]
    assert live.spoken_of(tmp_path / "nothing", [], ["2"]) == []


def test_what_was_taken_back_does_not_count_though_the_taking_back_names_no_version(tmp_path: Path) -> None:
    wrong, other = judged("1"), judged("2")
    store.append(tmp_path, [wrong, other], round=1)
    store.append(tmp_path, [vote("3", outcome="skip", supersedes=wrong.feedback_id)], round=2)
    waiting = [vote("4", outcome="skip", supersedes=other.feedback_id)]
    assert [event.source_id for event in live.spoken_of(tmp_path, [], ["2"])] == ["2"]
    assert live.spoken_of(tmp_path, waiting, ["2"]) == []
