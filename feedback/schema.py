"""The canonical record of feedback: one `FeedbackEvent` is one act of feedback by one annotator."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Annotated, Literal, NamedTuple, Protocol, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from feedback.unicode_forms import compatible, normalise

SCHEMA_VERSION = 2
"""2: a prompt's id keeps apart what NFKC makes equal. Stored ids stay (`feedback.prompt_ids`)."""

SAFETY = "safety"
"""The flag of a prompt to which an answer could be harmful."""


def _utc(moment: datetime) -> datetime:
    """A time without a zone is UTC. A year outside 1970 to 2999 is a tool's default or in a wrong unit."""
    if not 1970 <= moment.year < 3000:
        raise ValueError(
            f"{moment.isoformat()} is out of range, expected the years 1970 to 2999; leave out a time that is unknown"
        )
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


# The bounds are those of the Arrow columns (feedback/arrow.py), so every valid event can be stored.
String = Annotated[str, StringConstraints(strict=True)]  # strict refuses lone surrogates, which UTF-8 cannot hold
Text = Annotated[str, StringConstraints(strict=True, min_length=1)]
Int16 = Annotated[int, Field(ge=0, lt=2**15)]
Int32 = Annotated[int, Field(ge=0, lt=2**31)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
Timestamp = Annotated[datetime, AfterValidator(_utc)]
Role = Literal["system", "user", "assistant"]
Kind = Literal["demonstration", "comparison", "ranking", "rating", "binary", "critique", "correction", "label"]
Outcome = Literal["prefer", "tie", "tie_both_good", "tie_both_bad", "skip", "cannot_judge", "not_rankable"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Message(_Record):
    """One turn of a conversation. Never a rendered chat template, so the text cannot imitate another turn."""

    role: Role
    content: Text


Prompt = tuple[Message, ...]
"""The turns before an answer, oldest first."""


class Response(_Record):
    """One answer that was judged, and its origin."""

    response_id: String
    messages: tuple[Message, ...] = Field(min_length=1)
    origin: Literal["model", "human", "human_edit", "unknown"] = "unknown"
    parent_ix: Int16 | None = None
    """For a correction: index of the response that was edited."""
    model: String | None = None
    model_version: String | None = None

    @property
    def text(self) -> str:
        """The text of the answer (its last message)."""
        return self.messages[-1].content


class Judgement(_Record):
    """A judgement of the responses under one criterion. `ranks` and `scores` have one entry per response, in order."""

    criterion: String = "overall"
    outcome: Outcome = "prefer"
    ranks: tuple[Int16 | None, ...] | None = None
    """1 is best; equal numbers are a tie."""
    scores: tuple[FiniteFloat | None, ...] | None = None
    scale_min: FiniteFloat | None = None
    scale_max: FiniteFloat | None = None
    strength: FiniteFloat | None = None
    strength_max: FiniteFloat | None = None
    confidence: FiniteFloat | None = None
    label: String | None = None
    rationale: String | None = None
    tags: tuple[String, ...] = ()
    """`best_only`: one answer was chosen among several; the others are not compared with each other."""


class FeedbackEvent(_Record):
    """One act of feedback by one annotator. Its stored form is in `feedback/arrow.py`."""

    schema_version: Int16 = SCHEMA_VERSION
    feedback_id: String
    """Hash of source, native id and annotator, so a record that is ingested twice is stored once."""
    kind: Kind
    prompt_id: String
    prompt_group: String
    """Id of the group of near-identical prompts: splits are made by group."""
    prompt: tuple[Message, ...] = Field(min_length=1)
    responses: tuple[Response, ...] = Field(min_length=1)
    shown_order: tuple[Int16, ...] | None = None
    """Indices of the responses from left to right, as the annotator saw them."""
    judgements: tuple[Judgement, ...] = ()
    annotator_id: String = "unknown"
    annotator_type: Literal["human", "ai", "user", "rule", "simulated"] = "human"
    annotator_version: String | None = None
    annotator_groups: dict[String, String] = {}
    created_at: Timestamp | None = None
    ingested_at: Timestamp | None = None
    duration_ms: Int32 | None = None
    round: Int32 = 0
    batch_id: String | None = None
    guideline_version: String | None = None
    source: String
    source_id: String
    """The record's id or line in its source."""
    source_sha256: String | None = None
    """SHA-256 of the raw record as it was read."""
    licence: String = "none-stated"
    consent: String = "none-stated"
    split: String | None = None
    status: Literal["active", "superseded", "withdrawn", "quarantined"] = "active"
    supersedes: String | None = None
    flags: tuple[String, ...] = ()
    """Labels of the prompt or the record, such as `safety` or `intent:refund`. Results are also reported per flag."""
    extra: dict[str, JsonValue] = {}
    """All native fields that have no column."""

    @model_validator(mode="after")
    def _vectors_line_up(self) -> Self:
        count = len(self.responses)
        if self.shown_order is not None and sorted(self.shown_order) != list(range(count)):
            raise ValueError(f"shown_order: expected each of the {count} responses once")
        for ix, judgement in enumerate(self.judgements):
            for name, vector in (("ranks", judgement.ranks), ("scores", judgement.scores)):
                if vector is not None and len(vector) != count:
                    raise ValueError(
                        f"judgements[{ix}].{name} has {len(vector)} values, expected {count}, one per response"
                    )
        return self


class RejectedRecord(_Record):
    """A record that cannot be used: kept complete, with its position and the reason. It is never skipped silently."""

    source: str
    where: str
    """File and line, or the native id."""
    reason: str
    record: str
    """The raw record as it was read."""


class Turn(Protocol):
    """One turn of a prompt, validated or as it is stored."""

    @property
    def role(self) -> Role:
        """Who speaks."""

    @property
    def content(self) -> str:
        """The text."""


class GroupedPrompt(NamedTuple):
    """A prompt and its group, which never changes."""

    prompt_id: str
    group: str
    prompt: tuple[Message, ...]


def event_id(source: str, native_id: str, annotator: str) -> str:
    """The id of an event: 32 hex digits of a hash of source, native id and annotator."""
    text = f"{source}\0{native_id}\0{annotator}"
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:32]  # lone surrogates are refused later


def response_id(prompt: str, text: str) -> str:
    """The id of an answer that has none of its own: 16 hex digits of a hash of the prompt's `version_1_id` and text."""
    return hashlib.sha256(f"{prompt}\0{text}".encode()).hexdigest()[:16]


def prompt_id(prompt: Sequence[Turn]) -> str:
    """The id of a prompt: 32 hex digits of a hash that ignores case, white space and canonical Unicode form."""
    return _hashed(_as_json(prompt, normalise))


def version_1_id(prompt: Sequence[Turn]) -> str:
    """The id of schema version 1, which also ignored compatibility forms: equal for near-duplicates such as "2²", "22".

    It is that of `prompt_id` for most prompts, and always for ASCII.
    """
    return _hashed(_as_json(prompt, compatible))


def distinct_id(prompt: Sequence[Turn]) -> str:
    """The id of a prompt if its `prompt_id` is stored as the version 1 id of another one."""
    return _hashed(f"2{_as_json(prompt, normalise)}")


def _as_json(prompt: Sequence[Turn], form: Callable[[str], str]) -> str:
    # JSON of [[role, text], …], put together by hand because that takes a third of the time
    turns = ", ".join([f'["{turn.role}", {encode_basestring(form(turn.content))}]' for turn in prompt])
    return f"[{turns}]"


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
