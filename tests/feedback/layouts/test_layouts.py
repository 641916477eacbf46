"""Each form of records, with the answer that must come out as the chosen one; each is recognised by one layout only."""

from typing import Any

import pytest

from core.errors import BadFeedback
from feedback import canonical, layouts
from feedback.schema import FeedbackEvent
from tests.feedback.layouts.fixtures import (
    DEFAULTS,
    FIXTURES,
    Fixture,
    assistant,
    exchange,
    gpt,
    human,
    named,
    said,
    two,
    ultrafeedback_completion,
    user,
)
from tests.pages import ROOT


def outcome(event: FeedbackEvent) -> str:
    """What the event says: its best answer, its outcome, or the score of its only answer."""
    texts = [response.text for response in event.responses]
    if event.kind == "correction":
        return next(response.text for response in event.responses if response.parent_ix is not None)
    if not event.judgements:
        return texts[0]
    judgement = event.judgements[0]
    if judgement.outcome != "prefer":
        return judgement.outcome
    if len(texts) == 1 and judgement.scores:
        return str(judgement.scores[0])
    assert judgement.ranks is not None
    return texts[judgement.ranks.index(1)]


@pytest.mark.parametrize("fixture", FIXTURES, ids=named)
def test_the_chosen_answer_and_the_prompt(fixture: Fixture) -> None:
    event = canonical.event(fixture.record, DEFAULTS)
    assert (event.kind, outcome(event)) == (fixture.kind, fixture.outcome)
    assert tuple(turn.content for turn in event.prompt) == fixture.prompt


@pytest.mark.parametrize("fixture", FIXTURES, ids=named)
def test_a_form_is_recognised_as_itself(fixture: Fixture) -> None:
    assert layouts.recognise(fixture.record).name() == fixture.layout


def test_every_layout_has_a_fixture() -> None:
    assert {layout.name() for layout in layouts.all_layouts()} == {fixture.layout for fixture in FIXTURES}


@pytest.mark.parametrize("column", ["system", "history", "instruction", "context"])
def test_a_column_like_a_prompt_is_not_left_out(column: str) -> None:
    preference = {"prompt": "Q?", "chosen": "good", "rejected": "bad"}
    with pytest.raises(BadFeedback, match=rf"{column} looks like a part of the prompt.*inspect"):
        canonical.event(preference | {column: "Something else."}, DEFAULTS)
    for harmless in ("", None, "Q?"):
        assert canonical.event(preference | {column: harmless}, DEFAULTS).extra == {column: harmless}


@pytest.mark.parametrize(
    "beside",
    [
        {"rejected_response": "other"},
        {"label": False},
        {"label": "0"},
        {"label": 1},
        {"rejected": "other"},
        {"rating": 2},
        {"thumbs": "down"},
        {"reward": -1},
        {"score": "-0.5"},
        {"scores": [1, 4]},
        {"is_good": False},
        {"feedback": "thumbs_down"},
        {"feedback": {"thumb": "down"}},
        {"quality": 0.2},
        {"weight": 0},
    ],
)
@pytest.mark.parametrize("form", [{"messages": [user("Q?"), assistant("A")]}, {"instruction": "Q?", "output": "A"}])
def test_an_answer_that_may_be_bad_is_not_imitated(form: dict[str, Any], beside: dict[str, Any]) -> None:
    assert canonical.event(form, DEFAULTS).kind == "demonstration"
    with pytest.raises(BadFeedback, match=rf"{next(iter(beside))} may mark the answer as bad|chosen is missing"):
        canonical.event(form | beside, DEFAULTS)


@pytest.mark.parametrize("form", ["messages", "conversations"])
def test_a_last_turn_that_is_not_to_be_trained_on_is_not_imitated(form: str) -> None:
    turns = [user("Q?"), assistant("A")] if form == "messages" else [human("Q?"), gpt("A")]
    assert canonical.event({form: [turns[0], turns[1] | {"weight": 1}]}, DEFAULTS).kind == "demonstration"
    with pytest.raises(BadFeedback, match="last turn has the weight 0, expected"):
        canonical.event({form: [turns[0], turns[1] | {"weight": 0}]}, DEFAULTS)
    with pytest.raises(BadFeedback, match="rating may mark the answer as bad"):
        canonical.event({form: [turns[0], turns[1] | {"rating": -1}]}, DEFAULTS)


def test_a_tag_that_is_not_stated_is_no_good_answer() -> None:
    with pytest.raises(BadFeedback, match="kto_tag is None, expected True or False"):
        canonical.event({"instruction": "Q?", "output": "A", "kto_tag": None}, DEFAULTS)


def test_a_label_that_is_no_thumb_is_kept() -> None:
    event = canonical.event({"messages": [user("Q?"), assistant("A")], "label": "cooking"}, DEFAULTS)
    assert event.extra == {"label": "cooking"}


def test_columns_of_two_forms_are_refused() -> None:
    both = {"prompt": "Q?", "chosen": "good", "rejected": "bad", "completion": "other"}
    with pytest.raises(BadFeedback, match="preference and of demonstration"):
        canonical.event(both, DEFAULTS)


def test_unknown_columns_are_named() -> None:
    with pytest.raises(BadFeedback, match=r"columns answer_x, q are no known form.*inspect"):
        canonical.event({"q": "Q?", "answer_x": "good"}, DEFAULTS)


def test_the_safer_answer_is_another_criterion() -> None:
    record = two("response_0", "response_1", True) | {"better_response_id": 0, "safer_response_id": 1}
    judgements = canonical.event(record, DEFAULTS).judgements
    assert {judgement.criterion: judgement.ranks for judgement in judgements} == {"overall": (1, 2), "safety": (2, 1)}


@pytest.mark.parametrize("fixture", FIXTURES, ids=named)
def test_the_native_values_of_a_verdict_are_kept(fixture: Fixture) -> None:
    event = canonical.event(fixture.record, DEFAULTS)
    texts = {turn.content for turn in (*event.prompt, *(response.messages[0] for response in event.responses))}
    scalars = {name: value for name, value in fixture.record.items() if isinstance(value, int | float)}
    assert {name: event.extra.get(name) for name in scalars} == scalars
    assert texts


def completion(response: str, overall: object, *ratings: str) -> dict[str, Any]:
    return ultrafeedback_completion(response, overall, ratings)


@pytest.mark.parametrize(
    ("ratings", "scores", "flag"),
    [
        (("1", "2", "1", "1"), (1, 4), "overall_score_corrected"),
        (("2", "2", "N/A", "2"), (1, 4), "overall_score_corrected"),
        (("3", "4", "2", "5"), (None, 4), "overall_score_unclear"),
        (("N/A", "N/A", "N/A", "N/A"), (None, 4), "overall_score_unclear"),
        (("5", "5", "4", "5"), (10, 4), None),
    ],
)
def test_a_score_of_10_that_should_be_1(
    ratings: tuple[str, ...], scores: tuple[float | None, ...], flag: str | None
) -> None:
    completions = [completion("bad", 10, *ratings), completion("good", 4, "3", "3", "3", "3")]
    event = canonical.event({"instruction": "Q?", "completions": completions}, DEFAULTS)
    assert event.flags == (() if flag is None else (flag,))
    overall = event.judgements[0]
    if None in scores:
        assert overall.outcome == "skip"
    else:
        assert overall.scores == scores
        assert overall.ranks == ((1, 2) if scores[0] == 10 else (2, 1))
    native = event.extra["completions"]
    assert isinstance(native, list)
    assert native[0] == {name: value for name, value in completions[0].items() if name != "response"}


def test_votes_of_single_people_are_kept_beside_the_verdict_on_all() -> None:
    votes = [{"score": -2, "reasoning": "clear", "feedback1": "…", "feedback2": "…"}]
    record = {"context": "Q?", **two("response1", "response2", True, None), "overall_preference": -2}
    assert canonical.event(record | {"individual_preference": votes}, DEFAULTS).extra["individual_preference"] == votes


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"full_conversation": [exchange("Q?", "So.", "No."), exchange("And?", "good", "bad")]},
            "different earlier answers",
        ),
        ({"full_conversation": [exchange("Other?", "good", "bad")]}, "does not end with the judged turns"),
    ],
)
def test_earlier_turns_that_cannot_be_a_common_prompt(change: dict[str, Any], reason: str) -> None:
    record = {"conversation_a": said("And?", "good"), "conversation_b": said("And?", "bad"), "winner": "model_a"}
    with pytest.raises(BadFeedback, match=reason):
        canonical.event(record | change, DEFAULTS)


def test_the_answer_of_a_labelled_conversation_is_rated_and_not_imitated() -> None:
    turns = [
        {"from": "User", "value": "Q?", "label": None},
        {"from": "Assistant", "value": "bad", "label": "quality:0"},
    ]
    event = canonical.event({"conversations": turns, "mask": "User"}, DEFAULTS)
    assert (event.kind, event.judgements[0].criterion, event.judgements[0].scores) == ("rating", "quality", (0.0,))


@pytest.mark.parametrize(
    ("annotator", "by"),
    [("weighted_alpaca_eval_gpt4_turbo", "ai"), ("15", "human"), (15, "human"), (None, "human"), ("", "human")],
)
def test_a_judge_with_a_name_is_a_model_in_alpaca_eval(annotator: object, by: str) -> None:
    record = {"instruction": "Q?", **two("output_1", "output_2", True, None), "preference": 1, "annotator": annotator}
    event = canonical.event(record, DEFAULTS)
    assert (event.annotator_type, event.annotator_id) == (by, "unknown")
    assert event.feedback_id == canonical.event({**record, "annotator": "other"}, DEFAULTS).feedback_id


def test_ultrafeedback_is_by_a_model_in_both_releases() -> None:
    both = [fixture.record for fixture in FIXTURES if fixture.layout.startswith("ultrafeedback")]
    assert [canonical.event(record, DEFAULTS).annotator_type for record in both] == ["ai", "ai"]


RATED = {"prompt": "Q?", "response": "A", "helpfulness": 3, "correctness": 2, "coherence": 4, "complexity": 1}


@pytest.mark.parametrize(
    "record",
    [
        {"instruction": "Q?", **two("output_1", "output_2", True, None), "preference": None},
        {"context": "Q?", **two("response1", "response2", True, None), "overall_preference": None},
        {**two("response_1", "response_2", True), "preference_strength": None},
        {"question": "Q?", **two("answer_0", "answer_1", True, None), "score_0": 0.5, "score_1": None},
    ],
)
@pytest.mark.parametrize("union", [{}, {"chosen": None, "rejected": None, "messages": None, "completions": None}])
def test_a_verdict_that_is_null_is_a_skip(record: dict[str, Any], union: dict[str, None]) -> None:
    assert outcome(canonical.event(record | union, DEFAULTS)) == "skip"


def test_a_criterion_that_is_null_is_not_rated() -> None:
    event = canonical.event({**RATED, "verbosity": None}, DEFAULTS)
    assert {judgement.criterion: judgement.scores for judgement in event.judgements} == {
        "helpfulness": (3.0,),
        "correctness": (2.0,),
        "coherence": (4.0,),
        "complexity": (1.0,),
    }
    nothing = dict.fromkeys(("helpfulness", "correctness", "coherence", "complexity", "verbosity"))
    with pytest.raises(BadFeedback, match="prompt, response are no known form"):
        canonical.event({**RATED, **nothing}, DEFAULTS)


def test_columns_that_are_null_do_not_make_a_record_another_form() -> None:
    others = {name: None for layout in layouts.all_layouts() for name in layout.columns}
    for fixture in FIXTURES:
        if fixture.layout != "demonstration":  # a null label says that nobody judged the answer
            assert layouts.recognise({**others, "label": None, **fixture.record}).name() == fixture.layout


def test_an_object_with_a_list_of_records_is_named() -> None:
    records = [{"prompt": "Q?", "chosen": "good", "rejected": "bad"}]
    with pytest.raises(BadFeedback, match=r"list under data, expected .* jq -c '\.data\[\]' FILE > records\.jsonl"):
        canonical.event({"version": "1", "data": records}, DEFAULTS)
    for beside in ({"question": "Q?"}, {"answer": "long " * 20}, {"answers": ["good", "bad"]}):
        with pytest.raises(BadFeedback, match="are no known form"):
            canonical.event({"items": records, **beside}, DEFAULTS)


def test_a_model_or_a_worker_is_the_annotator_unless_the_record_says_otherwise() -> None:
    distilabel = {"instruction": "Q?", "generations": ["bad", "good"], "ratings": [1, 5]}
    assert canonical.event(distilabel, DEFAULTS).annotator_type == "ai"
    assert canonical.event(distilabel | {"annotator_type": "human"}, DEFAULTS).annotator_type == "human"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"history": "Q?", "human_ref_A": "a", "human_ref_B": "b", "labels": 2}, "labels is 2, expected 1 or 0"),
        ({**two("response_1", "response_2", True), "preference_strength": -4}, "preference_strength is -4, expected"),
        ({**two("response_1", "response_2", True), "preference_strength": "much"}, "preference_strength is 'much'"),
        ({"conversations": [human("Q?"), {"from": "tool", "value": "x"}]}, "from is 'tool', expected"),
        ({"context": "Q?", "completions": [{"rank": True, "completion": "a"}]}, "a rank is True, expected"),
        ({"instruction": "Q?", "generations": ["a", "b"], "ratings": [1]}, "1 values, expected 2"),
        ({"conversations": [{**human("Q?"), "label": "q:1"}, {"from": "gpt", "value": "x"}]}, "no label"),
        (
            {"instruction": "Q?", **two("output_1", "output_2", True, None), "preference": 3},
            "preference is 3, expected",
        ),
        ({"instruction": "Q?", "input": 2.5, "output": "A"}, "input is 2.5, expected a text"),
        ({"instruction": "Q?", "output": "A", "history": "x"}, "history is 'x', expected a list of"),
        ({"instruction": "Q?", "output": "A", "history": [["Q?"]]}, "history is .*, expected a list of"),
        (
            {"instruction": ["x"], "output_1": "a", "output_2": "b", "preference": 1},
            "instruction is .*, expected a text",
        ),
        ({"instruction": "Q?", "generations": ["a", None], "ratings": [1, 2]}, "messages is missing, expected"),
        ({"context": "Q?", "completions": [{"rank": [], "completion": "a"}]}, r"a rank is \[\], expected"),
        ({**two("response_1", "response_2", True), "preference_strength": 10**400}, "expected a number"),
        (
            {"prompt": "<extra_id_0>System\n", "chosen_response": 1, "rejected_response": "bad"},
            "chosen_response is 1, expected a text",
        ),
        (
            {"info": {"post": [1]}, "summaries": [{"text": "a"}, {"text": "b"}], "choice": 0},
            "info: the post or article is .*, expected a text",
        ),
        (
            {"instruction": "Q?", "completions": [{"response": "a", "annotations": []}]},
            "annotations: instruction_following is .*, expected an object",
        ),
        (
            {
                "conversation_a": [None],
                "conversation_b": [],
                "winner": "tie",
                "full_conversation": [exchange("a", "b", "c")],
            },
            "conversation_a is .*, expected a list of turns",
        ),
        ({"prompt": [{"role": {}, "content": "Q?"}], "completion": "A"}, "role"),
    ],
)
def test_a_value_without_a_known_meaning_is_refused(record: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadFeedback, match=reason):
        canonical.event(record, DEFAULTS)


@pytest.mark.parametrize(
    "history",
    [
        [["A?", "B"], ["C?", "D"]],
        [user("A?"), assistant("B"), user("C?"), assistant("D")],
        '[["A?", "B"], ["C?", "D"]]',
    ],
)
def test_a_history_is_pairs_or_turns(history: object) -> None:
    event = canonical.event({"instruction": "E?", "output": "F", "history": history}, DEFAULTS)
    assert [(turn.role[0], turn.content) for turn in event.prompt] == [
        *(("u", "A?"), ("a", "B"), ("u", "C?"), ("a", "D"), ("u", "E?")),
    ]


def test_the_page_on_feedback_lists_every_form() -> None:
    page = (ROOT / "docs/feedback.md").read_text(encoding="utf-8")
    listed = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert {layout.name() for layout in layouts.all_layouts()} - listed == set()
