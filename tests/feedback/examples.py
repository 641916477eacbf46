"""Small events for tests, and Hypothesis strategies that generate any valid one."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from feedback.schema import FeedbackEvent, Judgement, Message, Response, event_id, prompt_id, response_id


def chat(*texts: str) -> tuple[Message, ...]:
    """A prompt whose turns alternate between user and assistant."""
    return tuple(Message(role="assistant" if ix % 2 else "user", content=text) for ix, text in enumerate(texts))


def reply(text: str, prompt: str = "", **fields: Any) -> Response:
    return Response(
        response_id=response_id(prompt, text), messages=(Message(role="assistant", content=text),), **fields
    )


def event(
    question: str = "Why is the sky blue?",
    answers: tuple[str, ...] = ("Rayleigh scattering.", "Magic."),
    kind: str = "comparison",
    native: str = "1",
    judgements: tuple[Judgement, ...] = (),
    **fields: Any,
) -> FeedbackEvent:
    """An event about one question; its id is derived from `native`."""
    prompt = chat(question)
    identity = prompt_id(prompt)
    given: dict[str, Any] = {
        "feedback_id": event_id("test", native, str(fields.get("annotator_id", "unknown"))),
        "kind": kind,
        "prompt_id": identity,
        "prompt_group": identity,
        "prompt": prompt,
        "responses": [reply(answer, identity) for answer in answers],
        "judgements": judgements,
        "source": "test",
        "source_id": native,
    }
    return FeedbackEvent.model_validate(given | fields)


def vote(native: str, ranks: tuple[int, ...] = (1, 2), outcome: str = "prefer", **fields: Any) -> FeedbackEvent:
    """A comparison; with `kind="ranking"` and more answers, a ranking."""
    judgement = Judgement.model_validate(
        {"outcome": outcome, "ranks": ranks, "criterion": fields.pop("criterion", "overall")}
    )
    return event(native=native, judgements=(judgement,), **fields)


_words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
_small = st.integers(0, 2**15 - 1)
_whole = st.integers(0, 2**31 - 1)
_numbers = st.floats(allow_nan=False, allow_infinity=False)
_moments = st.datetimes(datetime(1970, 1, 2), datetime(2999, 12, 30), timezones=st.sampled_from([None, UTC]))
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | _numbers | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_words, inner, max_size=2),
    max_leaves=4,
)
_turns = st.lists(
    st.builds(Message, role=st.sampled_from(["system", "user", "assistant"]), content=_texts), min_size=1, max_size=3
).map(tuple)
_responses = st.builds(
    Response,
    response_id=_words,
    messages=_turns,
    origin=st.sampled_from(["model", "human", "human_edit", "unknown"]),
    parent_ix=st.none() | _small,
    model=st.none() | _words,
    model_version=st.none() | _words,
)


def _vectors(values: st.SearchStrategy[Any], count: int) -> st.SearchStrategy[Any]:
    return st.none() | st.tuples(*[st.none() | values] * count)


def _judgements(count: int) -> st.SearchStrategy[Judgement]:
    numbers = {
        name: st.none() | _numbers for name in ("scale_min", "scale_max", "strength", "strength_max", "confidence")
    }
    return st.builds(
        Judgement,
        criterion=_words,
        outcome=st.sampled_from(
            ["prefer", "tie", "tie_both_good", "tie_both_bad", "skip", "cannot_judge", "not_rankable"]
        ),
        ranks=_vectors(_small, count),
        scores=_vectors(_numbers, count),
        label=st.none() | _words,
        rationale=st.none() | _words,
        tags=st.lists(_words, max_size=2).map(tuple),
        **numbers,
    )


@st.composite
def valid_events(draw: st.DrawFn) -> FeedbackEvent:
    """Any event that the schema accepts."""
    responses = tuple(draw(st.lists(_responses, min_size=1, max_size=3)))
    count = len(responses)
    named = {
        name: draw(_words)
        for name in (
            "feedback_id",
            "prompt_id",
            "prompt_group",
            "annotator_id",
            "source",
            "source_id",
            "licence",
            "consent",
        )
    }
    maybe = {
        name: draw(st.none() | _words)
        for name in ("annotator_version", "batch_id", "guideline_version", "source_sha256", "split", "supersedes")
    }
    return FeedbackEvent(
        **named,
        **maybe,
        kind=draw(st.sampled_from(["demonstration", "comparison", "ranking", "rating", "binary", "critique", "label"])),
        prompt=draw(_turns),
        responses=responses,
        shown_order=draw(st.none() | st.permutations(range(count)).map(tuple)),
        judgements=tuple(draw(st.lists(_judgements(count), max_size=2))),
        annotator_type=draw(st.sampled_from(["human", "ai", "user", "rule", "simulated"])),
        annotator_groups=draw(st.dictionaries(_words, _words, max_size=2)),
        created_at=draw(st.none() | _moments),
        ingested_at=draw(st.none() | _moments),
        duration_ms=draw(st.none() | _whole),
        round=draw(_whole),
        status=draw(st.sampled_from(["active", "superseded", "withdrawn", "quarantined"])),
        flags=tuple(draw(st.lists(_words, max_size=2))),
        extra=draw(st.dictionaries(_words, _json, max_size=2)),
    )
