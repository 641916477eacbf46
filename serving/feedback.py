"""`POST /v1/feedback`: records of every kind, acknowledged when they are durable, each with an error of its own."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from core.errors import BadFeedback
from feedback import forgotten, superseding
from feedback.limits import SizeLimitSettings, event_problem, is_too_deep
from feedback.schema import FeedbackEvent
from feedback.superseding import Giver
from feedback.terms import ServerTerms
from feedback.trust import Trust
from serving import statements
from serving.access import AnyCaller, Caller
from serving.context import Serving, serving_of
from serving.errors import responses
from serving.names import A_NAME, Name, is_name
from serving.statements import FeedbackStatement
from tasks.state import intake, tombstones
from tasks.state.gates import forbids_now
from tasks.tools import receiving

if TYPE_CHECKING:
    from feedback.store.answers import ServedAnswer
    from feedback.store.database import Database

router = APIRouter(tags=["feedback"])


MOST_RECORDS = 1000
"""Records in one request."""
NOT_OWN = (
    "supersedes names no feedback of this person; use the feedback_id with which an earlier record of the same key and "
    "user was stored, or leave supersedes out"
)
"""Also the reason if the feedback is somebody else's: nobody learns which ids others have."""
FORGOTTEN = "an operator has removed this person and all that they said; nothing of theirs is stored any more"


class FeedbackBatch(BaseModel):
    """Records of feedback."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    user: Name | None = None
    """Who says it, for the records that do not state it."""
    feedback: tuple[dict[str, JsonValue], ...] = Field(min_length=1, max_length=MOST_RECORDS)
    """Each about served answers, by their ids, or free-standing; docs/serving.md has the forms."""


class RecordResult(BaseModel):
    """What became of one record."""

    result: Literal["stored", "refused"]
    feedback_id: str | None = None
    """The id of its event; a later record supersedes it by this id."""
    reason: str | None = None
    """Why it was refused."""


class FeedbackResult(BaseModel):
    """What became of all records, in their order."""

    stored: int
    """Records that are durable now, also those that had been stored before."""
    refused: int
    results: list[RecordResult]


@router.post(
    "/v1/feedback",
    responses=responses(400, 401, 403, 413, 415, 429, 500, 503),
)
async def give(
    batch: FeedbackBatch,
    caller: AnyCaller,
    serving: Annotated[Serving, Depends(serving_of)],
    idempotency_key: Annotated[Name | None, Header(description="Sent again with it, the batch is stored once.")] = None,
) -> FeedbackResult:
    """Store feedback. A record that cannot be used does not keep the others from being stored."""
    taking = _Taking(serving, caller, batch, idempotency_key or secrets.token_hex(16))
    results = await serving.storage.run(taking.stored)
    _count(serving, taking.events, results)
    stored = sum(result.result == "stored" for result in results)
    return FeedbackResult(stored=stored, refused=len(results) - stored, results=results)


@dataclass
class _Taking:
    """One batch on its way into the database."""

    serving: Serving
    caller: Caller
    batch: FeedbackBatch
    key: str
    """Makes the ids of records that have none of their own."""

    def __post_init__(self) -> None:
        self.events: list[FeedbackEvent | str] = []
        """The event of each record, or why there is none."""

    def stored(self, database: "Database") -> list[RecordResult]:
        """Store the records that can be used.

        Raises:
            NoDatabase: the database does not answer; nothing was stored.
        """
        workspace = self.serving.workspace
        limits, names = intake.limits(workspace), tombstones.forgotten(workspace)
        own = self.serving.settings.terms
        terms = ServerTerms(own.licence, own.consent, forbids_now(workspace))
        self.events = [
            event if isinstance(event, str) or forgotten.is_kept(event, names) else FORGOTTEN
            for event in (self._event(database, place, limits, terms) for place in range(len(self.batch.feedback)))
        ]
        self._check_superseding(database)
        usable = [event for event in self.events if isinstance(event, FeedbackEvent)]
        changed: dict[str, str] = {}
        if usable:
            put = receiving.store(workspace, database, usable)
            changed = {json.loads(rejected.record)["feedback_id"]: rejected.reason for rejected in put.changed}
        return [_result(event, changed) for event in self.events]

    def _check_superseding(self, database: "Database") -> None:
        """Refuse what supersedes other events than those that its giver gave before it, also in this batch."""
        from feedback.store import arrivals

        named = {event.supersedes for event in self.events if isinstance(event, FeedbackEvent) and event.supersedes}
        stored = arrivals.find(database, named, self.serving.workspace.feedback) if named else {}
        known: dict[str, Giver] = superseding.givers(stored.values())
        for place, event in enumerate(self.events):
            if isinstance(event, str):
                continue
            if superseding.problem(event, Trust.OUTSIDE, known):
                self.events[place] = NOT_OWN
            else:
                known.setdefault(event.feedback_id, superseding.giver(event))

    def _event(
        self, database: "Database", place: int, limits: SizeLimitSettings, terms: ServerTerms
    ) -> FeedbackEvent | str:
        try:
            event = self._read(database, place, self.batch.feedback[place], terms)
        except BadFeedback as error:
            return str(error)
        return event_problem(event, limits) or event

    def _read(self, database: "Database", place: int, record: Mapping[str, Any], terms: ServerTerms) -> FeedbackEvent:
        if is_too_deep(dict(record)):
            raise BadFeedback("the record has nesting that is too deep, expected at most 100 levels")
        user = self._user(record)
        if statements.is_about_answers(record):
            said = statements.stated({**record, "user": user})
            native = said.id or f"{self.key}/{place}"
            return statements.about_answers(said, _named(database, said), self.caller, native, terms)
        native = _id_of(record) or f"{self.key}/{place}"
        rest = {name: value for name, value in record.items() if name not in ("user", "id", "source_id")}
        return statements.free_standing(rest, user, self.caller, native, terms)

    def _user(self, record: Mapping[str, Any]) -> str | None:
        user = record.get("user", self.batch.user)
        if user is not None and not is_name(user):
            raise BadFeedback(f"user is no name, expected {A_NAME}")
        if user is not None and not self.caller.names_users:
            raise BadFeedback(f"user is set and the key is that of one {self.caller.role}, expected none")
        return user


def _id_of(record: Mapping[str, Any]) -> str | None:
    """The own id of a free-standing record."""
    value: object = record.get("id", record.get("source_id"))
    if value is None:
        return None
    if not is_name(value):
        raise BadFeedback(f"id is no name, expected {A_NAME}")
    return value


def _named(database: "Database", said: FeedbackStatement) -> "Sequence[ServedAnswer]":
    """The answers that a statement names."""
    from feedback.store import answers

    if said.completion_id is not None:
        shown = answers.of_completion(database, said.completion_id)
        if len(shown) < 2:
            raise BadFeedback(
                f"completion_id {said.completion_id!r} is no request with several answers; use the `id` of one, or "
                "response_id"
            )
        return shown
    found = answers.find(database, said.names)
    if missing := [name for name in said.names if name not in found]:
        raise BadFeedback(
            f"there is no answer {missing[0]!r}; use the `response_id` of an answer that has ended, within the time "
            "for which answers are kept"
        )
    return [found[name] for name in said.names]


def _result(event: FeedbackEvent | str, changed: Mapping[str, str]) -> RecordResult:
    if isinstance(event, str):
        return RecordResult(result="refused", reason=event)
    if event.feedback_id in changed:
        return RecordResult(result="refused", feedback_id=event.feedback_id, reason=changed[event.feedback_id])
    return RecordResult(result="stored", feedback_id=event.feedback_id)


def _count(serving: Serving, events: Sequence[FeedbackEvent | str], results: Sequence[RecordResult]) -> None:
    for event, result in zip(events, results, strict=True):
        kind = event.kind if isinstance(event, FeedbackEvent) else "unknown"
        serving.metrics.feedback.labels(kind, result.result).inc()
