"""One record of feedback over HTTP → an event: about served answers by their ids, or free-standing.

A record about served answers has `response_id` (or `response_ids`, or `completion_id`) and one thing that is said:

    {"response_id": "…", "thumb": "up"}                         {"response_id": "…", "correction": "the better text"}
    {"response_id": "…", "rating": 4, "scale": [1, 5]}          {"response_id": "…", "critique": "Too long."}
    {"response_ids": ["…", "…"], "ranks": [1, 2]}               {"response_id": "…", "label": "harmful"}
    {"completion_id": "…", "preferred": "left"}                 {"response_id": "…", "demonstration": "a good answer"}

Who says it may state a `consent`. Any other record is free-standing, in one of the forms of docs/feedback.md.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import BadFeedback
from feedback import canonical, trust
from feedback.faults import reason_of
from feedback.schema import FeedbackEvent
from feedback.sides import ABSTENTIONS, SIDES, TIES
from feedback.store.answers import ServedAnswer
from feedback.terms import ServerTerms
from feedback.trust import Trust
from serving.access import Caller
from serving.names import Name
from serving.schema import Text

SOURCE = "http"
"""The `source` of events that came over HTTP."""

ABOUT = ("response_id", "response_ids", "completion_id")
"""Fields that name served answers."""

SAID = ("thumb", "rating", "preferred", "ranks", "correction", "critique", "label", "demonstration")
"""Fields that say something of them."""

TERMS = ("licence", "license", "consent")
"""Fields of a free-standing record that state its terms."""

OUTCOMES = TIES | ABSTENTIONS
"""What `preferred` may be besides a side or an id → the outcome of a judgement."""

MOST_RANKED = 100

FiniteNumber = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class FeedbackStatement(BaseModel):
    """What somebody says of served answers."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    id: Name | None = None
    """The record's own id: sent again with the same id, it is stored once."""
    user: Name | None = None
    """Who says it, as the application names the person."""
    response_id: Name | None = None
    response_ids: Annotated[tuple[Name, ...], Field(min_length=2, max_length=MOST_RANKED)] | None = None
    completion_id: Name | None = None
    """A request with two answers side by side: the first is on the left."""
    thumb: Literal["up", "down"] | None = None
    rating: FiniteNumber | None = None
    scale: tuple[FiniteNumber, FiniteNumber] | None = None
    """The worst and the best rating; 1 and 5 by default."""
    preferred: Name | None = None
    """`left`, `right`, a response id, `tie`, `both_good`, `both_bad`, `skip` or `cannot_judge`."""
    strength: FiniteNumber | None = None
    strength_max: FiniteNumber | None = None
    ranks: tuple[Annotated[int, Field(strict=True, ge=1, lt=2**15)] | None, ...] | None = None
    """1 is best; equal numbers are a tie."""
    correction: Text | None = None
    critique: Text | None = None
    label: Text | None = None
    demonstration: Text | None = None
    criterion: Name = "overall"
    rationale: Text | None = None
    tags: Annotated[tuple[Name, ...], Field(max_length=20)] = ()
    duration_ms: Annotated[int, Field(strict=True, ge=0, lt=2**31)] | None = None
    consent: Name | None = None
    """What the person consents to. It holds unless the server's or the asker's is stricter."""
    supersedes: Name | None = None
    """The `feedback_id` of an earlier record of the same person, which counts no more."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> "FeedbackStatement":
        for names in (ABOUT, SAID):
            given = [name for name in names if getattr(self, name) is not None]
            if len(given) != 1:
                raise ValueError(f"expected exactly one of {', '.join(names)}, found {', '.join(given) or 'none'}")
        if self.response_id is None and self.preferred is None and self.ranks is None:
            raise ValueError("expected response_id: only preferred and ranks are about several answers")
        if self.response_id is not None and (self.preferred is not None or self.ranks is not None):
            raise ValueError("expected response_ids or completion_id: preferred and ranks are about several answers")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The response ids; empty if a completion is named."""
        return (self.response_id,) if self.response_id else self.response_ids or ()


def is_about_answers(record: Mapping[str, Any]) -> bool:
    """Whether a record names served answers."""
    return any(name in record for name in ABOUT)


def stated(record: Mapping[str, Any]) -> FeedbackStatement:
    """A record about served answers.

    Raises:
        BadFeedback: it is invalid.
    """
    try:
        return FeedbackStatement.model_validate(record)
    except ValidationError as error:
        raise BadFeedback(reason_of(error)) from error


def about_answers(
    said: FeedbackStatement, answers: Sequence[ServedAnswer], caller: Caller, native: str, terms: ServerTerms
) -> FeedbackEvent:
    """The event of a statement.

    Args:
        said: what was said.
        answers: the answers that it names, in its order, or as they were shown.
        caller: who sent it.
        native: its id within those of the giver.
        terms: the licence and consent of what states none.

    Raises:
        BadFeedback: the answers do not fit together, or the event cannot be used.
    """
    first = answers[0]
    if any(answer.prompt != first.prompt for answer in answers):
        raise BadFeedback("response_ids are answers to different prompts; name answers to one prompt")
    kind, judgements = _judged(said, answers)
    written = [_response(answer) for answer in answers]
    record: dict[str, Any] = {
        "kind": kind,
        "prompt": [turn.model_dump() for turn in first.prompt],
        "responses": [*written, *_human(said)] if said.demonstration is None else [_text(said.demonstration)],
        "judgements": judgements,
        "source_id": native,
        "duration_ms": said.duration_ms,
        "supersedes": said.supersedes,
    }
    if said.completion_id:
        record["shown_order"] = list(range(len(answers)))
    event = canonical.event(record, {"source": SOURCE}, Trust.OPERATOR)
    received = trust.received(event, caller.annotator(said.user), SOURCE, attributed=True)
    consent = terms.consent_of(said.consent, *(answer.consent for answer in answers))
    return _of_caller(received, caller, terms.licence_of(), consent)


def free_standing(
    record: Mapping[str, Any], user: str | None, caller: Caller, native: str, terms: ServerTerms
) -> FeedbackEvent:
    """The event of a record in a form of docs/feedback.md, of which the server knows nothing.

    Raises:
        BadFeedback: it cannot be used.
    """
    said = {name: value for name, value in record.items() if name in TERMS and isinstance(value, str)}
    rest = {name: value for name, value in record.items() if name not in said}
    event = canonical.event(rest, {"source": SOURCE, "source_id": native}, Trust.OUTSIDE)
    received = trust.received(event, caller.annotator(user), SOURCE)
    licence = terms.licence_of(said.get("licence"), said.get("license"))
    return _of_caller(received, caller, licence, terms.consent_of(said.get("consent")))


def _of_caller(event: FeedbackEvent, caller: Caller, licence: str, consent: str) -> FeedbackEvent:
    return event.model_copy(update={"annotator_type": caller.annotator_type, "licence": licence, "consent": consent})


def _judged(said: FeedbackStatement, answers: Sequence[ServedAnswer]) -> tuple[str, list[dict[str, Any]]]:
    """The kind of the event, and its judgement."""
    common = {"criterion": said.criterion, "rationale": said.rationale, "tags": list(said.tags)}
    common = {name: value for name, value in common.items() if value}
    if said.thumb is not None:
        return "binary", [{**common, "scores": [float(said.thumb == "up")], "scale_min": 0, "scale_max": 1}]
    if said.rating is not None:
        low, high = said.scale or (1.0, 5.0)
        return "rating", [{**common, "scores": [said.rating], "scale_min": low, "scale_max": high}]
    if said.preferred is not None:
        strength = {"strength": said.strength, "strength_max": said.strength_max}
        given = {name: value for name, value in strength.items() if value is not None}
        return "comparison", [{**common, **given, **_preference(said.preferred, answers)}]
    if said.ranks is not None:
        return "ranking" if len(answers) > 2 else "comparison", [{**common, "ranks": list(said.ranks)}]
    if said.critique is not None:
        return "critique", [{**common, "rationale": said.critique}]
    if said.label is not None:
        return "label", [{**common, "label": said.label}]
    return ("correction" if said.correction is not None else "demonstration"), []


def _preference(preferred: str, answers: Sequence[ServedAnswer]) -> dict[str, Any]:
    if preferred in OUTCOMES:
        return {"outcome": OUTCOMES[preferred]}
    places = SIDES | {answer.response_id: place for place, answer in enumerate(answers)}
    if len(answers) != 2:
        raise BadFeedback(f"preferred is about two answers, and there are {len(answers)}, expected ranks")
    if preferred not in places:
        known = ", ".join([*SIDES, *OUTCOMES])
        raise BadFeedback(f"preferred is {preferred!r:.60}, expected {known}, or one of the response ids")
    return {"ranks": [1, 2] if places[preferred] == 0 else [2, 1]}


def _response(answer: ServedAnswer) -> dict[str, Any]:
    if answer.redacted:
        raise BadFeedback(f"the answer {answer.response_id} was removed on request; leave the record out")
    return {
        **_text(answer.text),
        "response_id": answer.response_id,
        "origin": "model",
        "model": "policy",
        "model_version": answer.version,
    }


def _human(said: FeedbackStatement) -> list[dict[str, Any]]:
    """The edited answer of a correction."""
    return [] if said.correction is None else [{**_text(said.correction), "origin": "human_edit", "parent_ix": 0}]


def _text(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "assistant", "content": text}], "origin": "human"}
