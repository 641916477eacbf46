"""Each form of records, with the answer that must come out as the chosen one; each is recognised by one layout only."""

import json
from typing import Any, NamedTuple

import pytest

from core.errors import BadFeedback
from feedback import canonical, layouts
from feedback.schema import FeedbackEvent

DEFAULTS = {"source": "s", "source_id": "1"}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def human(text: str) -> dict[str, str]:
    return {"from": "human", "value": text}


def gpt(text: str) -> dict[str, str]:
    return {"from": "gpt", "value": text}


def two(first: str, second: str, good_is_first: bool, prompt: str | None = "Q?") -> dict[str, Any]:
    """Two answers under these names, and the prompt."""
    texts = ("good", "bad") if good_is_first else ("bad", "good")
    return dict(zip((first, second), texts, strict=True)) | ({"prompt": prompt} if prompt else {})


class Fixture(NamedTuple):
    """One record of a form, in which the better answer is always `good`."""

    layout: str
    record: dict[str, Any]
    kind: str = "comparison"
    prompt: tuple[str, ...] = ("Q?",)
    outcome: str = "good"
    """`good`, an outcome such as `tie`, or the score of a single answer."""


FIXTURES = [
    Fixture("preference", {"prompt": "Q?", "chosen": "good", "rejected": "bad"}),
    Fixture("preference", {"prompt": [user("Q?")], "chosen": [assistant("good")], "rejected": [assistant("bad")]}),
    Fixture(
        "implicit_preference", {"chosen": [user("Q?"), assistant("good")], "rejected": [user("Q?"), assistant("bad")]}
    ),
    Fixture(
        "openai_dpo",
        {
            "input": {"messages": [user("Q?")]},
            "preferred_output": [assistant("good")],
            "non_preferred_output": [assistant("bad")],
        },
    ),
    Fixture("demonstration", {"prompt": "Q?", "completion": "good"}, "demonstration"),
    Fixture("messages", {"messages": [user("Q?"), assistant("good")]}, "demonstration"),
    Fixture("unpaired", {"prompt": "Q?", "completion": "good", "label": True}, "binary", outcome="1.0"),
    Fixture("unpaired", {"prompt": "Q?", "completion": "bad", "label": False}, "binary", outcome="0.0"),
    Fixture("hh", {"chosen": "\n\nHuman: Q?\n\nAssistant: good", "rejected": "\n\nHuman: Q?\n\nAssistant: bad"}),
    Fixture(
        "ultrafeedback_binarized",
        {
            "prompt": "Q?",
            "prompt_id": "f0e3",
            "chosen": [user("Q?"), assistant("good")],
            "rejected": [user("Q?"), assistant("bad")],
            "messages": [user("Q?"), assistant("good")],
            "score_chosen": 8.5,
            "score_rejected": 3.0,
        },
    ),
    Fixture("alpaca", {"instruction": "Q?", "input": "", "output": "good", "text": "…"}, "demonstration"),
    Fixture("alpaca", {"instruction": "Sum up:", "input": "Q?", "output": "good"}, "demonstration", ("Sum up:\n\nQ?",)),
    Fixture("sharegpt", {"conversations": [human("Q?"), gpt("good")]}, "demonstration"),
    Fixture("sharegpt_preference", {"conversations": [human("Q?")], "chosen": gpt("good"), "rejected": gpt("bad")}),
    Fixture(
        "helpsteer",
        {
            "prompt": "Q?",
            "response": "good",
            "helpfulness": 4,
            "correctness": 3,
            "coherence": 4,
            "complexity": 1,
            "verbosity": 0,
        },
        "rating",
        outcome="4.0",
    ),
    *(
        Fixture(
            "helpsteer2_preference",
            {**two("response_1", "response_2", first), "preference_strength": strength},
            outcome=outcome,
        )
        for first, strength, outcome in ((True, -2, "good"), (False, 3, "good"), (True, 0, "tie"))
    ),
    *(
        Fixture(
            "helpsteer3",
            {"context": [user("Q?")], **two("response1", "response2", first, None), "overall_preference": preference},
            outcome=outcome,
        )
        for first, preference, outcome in ((True, -1, "good"), (False, 2, "good"), (True, 0, "tie"))
    ),
    Fixture("shp", {"history": "Q?", **two("human_ref_A", "human_ref_B", True, None), "labels": 1}),
    Fixture("shp", {"history": "Q?", **two("human_ref_A", "human_ref_B", False, None), "labels": 0}),
    Fixture("pku_saferlhf", two("response_0", "response_1", True) | {"better_response_id": 0, "safer_response_id": 1}),
    Fixture("pku_saferlhf", two("response_0", "response_1", False) | {"better_response_id": 1, "safer_response_id": 1}),
    *(
        Fixture(
            "webgpt",
            {
                "question": {"full_text": "Q?", "dataset": "eli5"},
                **two("answer_0", "answer_1", first, None),
                "score_0": score,
                "score_1": -score,
            },
            outcome=outcome,
        )
        for first, score, outcome in ((True, 0.5, "good"), (False, -1.0, "good"), (True, 0.0, "tie"))
    ),
    *(
        Fixture(
            "alpaca_eval",
            {"instruction": "Q?", **two("output_1", "output_2", first, None), "preference": preference},
            outcome=outcome,
        )
        for first, preference, outcome in (
            (True, 1, "good"),
            (False, 2.0, "good"),
            (True, 1.5, "tie"),
            (True, 0, "tie"),
            (True, 1.2, "good"),
        )
    ),
    *(
        Fixture(
            "arena",
            {
                "model_a": "a",
                "model_b": "b",
                "winner": winner,
                "conversation_a": [user("Q?"), assistant("good" if winner == "model_a" else "bad")],
                "conversation_b": [user("Q?"), assistant("bad" if winner == "model_a" else "good")],
            },
            outcome=outcome,
        )
        for winner, outcome in (
            ("model_a", "good"),
            ("model_b", "good"),
            ("tie", "tie"),
            ("tie (bothbad)", "tie_both_bad"),
            ("both_bad", "tie_both_bad"),
        )
    ),
    *(
        Fixture(
            "arena_55k",
            {
                "prompt": '["Q?", "And?"]',
                "response_a": json.dumps(["So.", "good" if first else "bad"]),
                "response_b": json.dumps(["So.", "bad" if first else "good"]),
                "winner_model_a": int(first and not tie),
                "winner_model_b": int(not first and not tie),
                "winner_tie": int(tie),
            },
            prompt=("Q?", "So.", "And?"),
            outcome="tie" if tie else "good",
        )
        for first, tie in ((True, False), (False, False), (True, True))
    ),
]


def named(fixture: Fixture) -> str:
    return f"{fixture.layout} {fixture.outcome}"


def outcome(event: FeedbackEvent) -> str:
    """What the event says: its best answer, its outcome, or the score of its only answer."""
    texts = [response.text for response in event.responses]
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


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"history": "Q?", "human_ref_A": "a", "human_ref_B": "b", "labels": 2}, "labels is 2, expected 1 or 0"),
        ({**two("response_1", "response_2", True), "preference_strength": -4}, "preference_strength is -4, expected"),
        ({**two("response_1", "response_2", True), "preference_strength": "much"}, "preference_strength is 'much'"),
        ({"conversations": [human("Q?"), {"from": "tool", "value": "x"}]}, "from is 'tool', expected"),
        (
            {"instruction": "Q?", **two("output_1", "output_2", True, None), "preference": 3},
            "preference is 3, expected",
        ),
    ],
)
def test_a_value_without_a_known_meaning_is_refused(record: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadFeedback, match=reason):
        canonical.event(record, DEFAULTS)
