"""The canonical record of feedback: one `FeedbackEvent` is one act of judgement by one source."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

SCHEMA_VERSION = 1

SAFETY = "safety"
"""The flag of a prompt on which an answer could do harm."""


def _utc(moment: datetime) -> datetime:
    """A time without a zone is UTC; outside these years it is a tool's default or a wrong unit, and no time."""
    if not 1970 <= moment.year < 3000:
        raise ValueError(f"{moment.isoformat()} is not in 1970 to 2999: leave an unknown time out")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


# Bounds are those of the Arrow columns, so that every valid event can be stored (feedback/arrow.py).
Word = Annotated[str, StringConstraints(strict=True)]  # strict refuses lone surrogates, which UTF-8 cannot hold
Text = Annotated[str, StringConstraints(strict=True, min_length=1)]
Small = Annotated[int, Field(ge=0, lt=2**15)]
Whole = Annotated[int, Field(ge=0, lt=2**31)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Moment = Annotated[datetime, AfterValidator(_utc)]
Kind = Literal["demonstration", "comparison", "ranking", "rating", "binary", "critique", "correction", "label"]
Outcome = Literal["prefer", "tie", "tie_both_good", "tie_both_bad", "skip", "cannot_judge", "not_rankable"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Message(_Record):
    """One turn of a conversation. Never a rendered chat string: text inside cannot forge a turn."""

    role: Literal["system", "user", "assistant"]
    content: Text


Prompt = tuple[Message, ...]
"""The turns that an answer answers, oldest first."""


class Response(_Record):
    """One answer that was judged, and where it came from."""

    response_id: Word
    messages: tuple[Message, ...] = Field(min_length=1)
    origin: Literal["model", "human", "human_edit", "unknown"] = "unknown"
    parent_ix: Small | None = None
    """For a correction: index of the response that was edited."""
    model: Word | None = None
    model_version: Word | None = None

    @property
    def text(self) -> str:
        """The answer as one text (its last message)."""
        return self.messages[-1].content


class Judgement(_Record):
    """What was said about the responses under one criterion. Vectors line up with the event's responses."""

    criterion: Word = "overall"
    outcome: Outcome = "prefer"
    ranks: tuple[Small | None, ...] | None = None
    """1 is best; equal numbers are a tie."""
    scores: tuple[Number | None, ...] | None = None
    scale_min: Number | None = None
    scale_max: Number | None = None
    strength: Number | None = None
    strength_max: Number | None = None
    confidence: Number | None = None
    label: Word | None = None
    rationale: Word | None = None
    tags: tuple[Word, ...] = ()


class FeedbackEvent(_Record):
    """One act of judgement by one source. Its stored form is in `feedback/arrow.py`."""

    schema_version: Small = SCHEMA_VERSION
    feedback_id: Word
    """Hash of source, native id and annotator: ingested twice, it is the same row."""
    kind: Kind
    prompt_id: Word
    prompt_group: Word
    """Cluster of near-identical prompts: splits are made by group."""
    prompt: tuple[Message, ...] = Field(min_length=1)
    responses: tuple[Response, ...] = Field(min_length=1)
    shown_order: tuple[Small, ...] | None = None
    """Indices of the responses from left to right, as the annotator saw them."""
    judgements: tuple[Judgement, ...] = ()
    annotator_id: Word = "unknown"
    annotator_type: Literal["human", "ai", "user", "rule", "simulated"] = "human"
    annotator_version: Word | None = None
    annotator_groups: dict[Word, Word] = {}
    created_at: Moment | None = None
    ingested_at: Moment | None = None
    duration_ms: Whole | None = None
    round: Whole = 0
    batch_id: Word | None = None
    guideline_version: Word | None = None
    source: Word
    source_id: Word
    """The record's id or line in its source."""
    source_sha256: Word | None = None
    """SHA-256 of the raw record as it was read."""
    licence: Word = "none-stated"
    consent: Word = "none-stated"
    split: Word | None = None
    status: Literal["active", "superseded", "withdrawn", "quarantined"] = "active"
    supersedes: Word | None = None
    flags: tuple[Word, ...] = ()
    """What sets the prompt or the record apart: `safety`, `intent:refund`. Results are also told slice by slice."""
    extra: dict[str, JsonValue] = {}
    """Every native field without a column, so that nothing is lost."""

    @model_validator(mode="after")
    def _vectors_line_up(self) -> Self:
        count = len(self.responses)
        if self.shown_order is not None and sorted(self.shown_order) != list(range(count)):
            raise ValueError(f"shown_order does not name each of the {count} responses once")
        for ix, judgement in enumerate(self.judgements):
            for name, vector in (("ranks", judgement.ranks), ("scores", judgement.scores)):
                if vector is not None and len(vector) != count:
                    raise ValueError(f"judgements[{ix}].{name} has {len(vector)} values for {count} responses")
        return self


class RejectedRecord(_Record):
    """A record that cannot be used: kept whole, with the reason and the place. Never skipped in silence."""

    source: str
    where: str
    """File and line, or the native id."""
    reason: str
    record: str
    """The raw record as it was read."""


class GroupedPrompt(NamedTuple):
    """A prompt and the group that it belongs to for good."""

    prompt_id: str
    group: str
    prompt: tuple[Message, ...]


def event_id(source: str, native_id: str, annotator: str) -> str:
    """The identity of an event: 32 hex digits of a hash over source, native id and annotator."""
    return hashlib.sha256(f"{source}\0{native_id}\0{annotator}".encode()).hexdigest()[:32]


def response_id(prompt: str, text: str) -> str:
    """The identity of an answer that brings none of its own: 16 hex digits of a hash over prompt id and text."""
    return hashlib.sha256(f"{prompt}\0{text}".encode()).hexdigest()[:16]


def prompt_id(prompt: Sequence[Message]) -> str:
    """Hash of the normalised prompt: 32 hex digits. Case, white space and Unicode form do not matter."""
    normal = [[turn.role, normalise(turn.content)] for turn in prompt]
    return hashlib.sha256(json.dumps(normal, ensure_ascii=False).encode()).hexdigest()[:32]


def normalise(text: str) -> str:
    """Text without the differences that do not make it another text."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip().casefold()
