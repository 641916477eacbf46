"""Each form of records, with the answer that must come out as the chosen one; each is recognised by one layout only."""

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
