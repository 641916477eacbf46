from pathlib import Path
from typing import Any

import pytest

from feedback import live, store
from feedback.live import LiveComparison, Opinion
from feedback.schema import FeedbackEvent, Judgement
from tests.feedback.examples import event, reply, vote


def judged(native: str, version: str | None = "2", answer: str = "Soon.", **fields: Any) -> FeedbackEvent:
    """A record about one answer of a version."""
    response = reply(answer, model_version=version, model=fields.pop("model", "policy"))
    return event(native=native, **{"kind": "binary", "responses": (response,), "annotator_id": "ana", **fields})


def thumb(score: float | None, **fields: Any) -> Judgement:
    return Judgement(scores=None if score is None else (score,), **fields)


def compared(native: str, first: str | None, second: str | None, ranks: tuple[int, int] = (1, 2), **fields: Any) -> Any:
    answers = (
        reply("Rayleigh scattering.", model_version=first),
        reply("Magic.", model_version=second),
    )
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
def test_a_rating_without_a_scale_and_an_unknown_label_give_no_score(kind: str, judgement: Judgement) -> None:
    [opinion] = live.opinions([judged("1", kind=kind, judgements=(judgement,))])
    assert opinion.scores == {}


def test_flags_are_the_flags_tags_and_labels_of_a_record() -> None:
    judgement = Judgement(tags=("rude",), label="harmful")
    [opinion] = live.opinions([judged("1", kind="label", judgements=(judgement,), flags=("intent:refund",))])
    assert opinion.flags == {"rude", "harmful", "intent:refund"}


def test_only_the_last_opinion_of_a_person_on_an_answer_counts() -> None:
    events = [
        judged("1", judgements=(thumb(1),)),
        judged("2", judgements=(thumb(0),)),
        judged("3", judgements=(thumb(1),), answer="Never."),
        judged("4", judgements=(thumb(1),), annotator_id="bo"),
        judged("5", judgements=(thumb(1),), annotator_id="unknown"),
        judged("6", judgements=(thumb(1),), annotator_id="unknown"),
    ]
    opinions = live.opinions(events)
    assert [opinion.scores["overall"] for opinion in opinions] == [0.0, 1.0, 1.0, 1.0, 1.0]
    assert len({opinion.person for opinion in opinions}) == 4


def test_a_record_without_a_version_on_another_model_or_on_several_answers_is_not_an_opinion() -> None:
    others = [judged("1", version=None), judged("2", model="gpt"), compared("3", "2", "1"), compared("4", "2", "2")]
    assert live.opinions(others) == []


def test_only_votes_on_two_different_versions_are_comparisons() -> None:
    events = [
        compared("1", "2", "1", annotator_id="ana"),
        compared("2", "2", "1", (2, 1), annotator_id="bo"),
        compared("3", "2", "2"),
        compared("4", "2", None),
        compared("5", "2", "1", outcome="skip", annotator_id="cy"),
    ]
    # the answers of a pair are sorted by text: "Magic." is the first
    assert live.comparisons(events) == [
        LiveComparison(("1", "2"), "annotator ana", "overall", 0.0),
        LiveComparison(("1", "2"), "annotator bo", "overall", 1.0),
    ]


def test_stored_and_waiting_records_count_each_once(tmp_path: Path) -> None:
    stored = [judged("1"), judged("2", version="1"), judged("3", version="9"), judged("4", version=None)]
    store.append(tmp_path, stored, round=1)
    waiting = [judged("1"), judged("5"), judged("6", version="7")]
    events = live.on_versions(tmp_path, waiting, ["2", "1"])
    assert sorted(event.source_id for event in events) == ["1", "2", "5"]
    assert live.on_versions(tmp_path / "nothing", [], ["2"]) == []


def test_a_withdrawn_record_does_not_count_even_if_its_withdrawal_names_no_version(tmp_path: Path) -> None:
    wrong, other = judged("1"), judged("2")
    store.append(tmp_path, [wrong, other], round=1)
    store.append(tmp_path, [vote("3", outcome="skip", supersedes=wrong.feedback_id)], round=2)
    waiting = [vote("4", outcome="skip", supersedes=other.feedback_id)]
    assert [event.source_id for event in live.on_versions(tmp_path, [], ["2"])] == ["2"]
    assert live.on_versions(tmp_path, waiting, ["2"]) == []


def test_unknown_givers_of_files_from_outside_count_as_one_person() -> None:
    def people(source: str) -> int:
        records = [
            judged(f"{n}", answer=f"a{n}", annotator_id="unknown", source=f"{source}{n}", flags=("harmful",))
            for n in range(3)
        ]
        return len({opinion.person for opinion in live.opinions(records)})

    assert (people("inbox:"), people("http")) == (1, 3)


def test_a_record_judges_the_policy_versions_that_wrote_its_answers() -> None:
    assert live.versions(judged("1", "2")) == {"2"}
    assert live.versions(compared("2", "2", "1")) == {"1", "2"}
    assert live.versions(compared("3", "2", None)) == {"2"}
    assert live.versions(judged("4", "2", model="another")) == set()
