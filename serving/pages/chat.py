"""`/chat`: an operator asks a version, or two side by side, and says what is better."""

import itertools
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse, Response
from pydantic import JsonValue, ValidationError

from feedback.schema import event_id
from feedback.sides import SIDES
from feedback.unicode_forms import same_text
from serving import exchange as exchanges
from serving import feedback, listing
from serving.context import Serving, serving_of
from serving.errors import ApiError
from serving.exchange import SAMPLE, Exchange
from serving.feedback import FeedbackBatch
from serving.generation import DecodingFailed
from serving.pages.forms import Posted
from serving.pages.frame import page
from serving.pages.visitors import Operating, Visitor
from serving.schema import ChatMessage, ChatRequest
from serving.statements import SOURCE
from tasks.registry.versions import CHAMPION

if TYPE_CHECKING:
    from feedback.store.database import Database

LONGEST = 20_000
"""Characters of a question."""

SAID = {"up": ("thumb", "up"), "down": ("thumb", "down")} | {
    name: ("preferred", name) for name in ("left", "right", "tie", "both_good", "both_bad")
}
"""Value of a button → the field of a record of feedback, and its value."""

COMPARED = {"left": "Left is better", "tie": "Equal", "both_bad": "Both bad", "right": "Right is better"}
"""Value of a button below two answers → what it says."""

router = APIRouter(include_in_schema=False)

Parts = Annotated[Serving, Depends(serving_of)]


@router.get("/chat")
async def chat(visitor: Operating, serving: Parts, done: bool = False) -> Response:
    """Show the form."""
    return await _shown(visitor, serving, stored=done)


@router.post("/chat")
async def ask(visitor: Operating, serving: Parts, fields: Posted) -> Response:
    """Answer a question, with one answer or with two."""
    question, model, other = (fields.get(name, "").strip() for name in ("question", "model", "other"))
    if not 0 < len(question) <= LONGEST:
        raise ApiError(400, f"a question of 1 to {LONGEST:,} characters is needed; go back and type one")
    try:
        message = ChatMessage(role="user", content=question)
        user = _user(visitor)
        asked = ChatRequest(model=model or CHAMPION, messages=(message,), side_by_side=other or None, user=user)
    except ValidationError as error:
        raise ApiError(400, "the form cannot be read; open the page again") from error
    exchange = await exchanges.begin(serving, asked, visitor.caller)
    try:
        async for _ in exchange.pieces():
            pass
        await exchange.store(range(len(exchange.versions)))
    except DecodingFailed as error:
        raise error.told() from error
    finally:
        await exchange.close()
    return await _shown(visitor, serving, question, model, other, exchange)


@router.post("/chat/feedback")
async def say(visitor: Operating, serving: Parts, fields: Posted) -> Response:
    """Store a thumb on an answer, or which of two is better."""
    said = SAID.get(fields.get("said", ""))
    if said is None:
        raise ApiError(400, "the form says nothing about the answer; ask again")
    about = "completion_id" if said[0] == "preferred" else "response_id"
    record: dict[str, JsonValue] = {about: fields.get("id", ""), said[0]: said[1]}
    native, annotator = f"chat page {fields.get('key', '')}"[:180], visitor.caller.annotator(_user(visitor))
    count = await serving.storage.run(lambda database: _said_before(serving, database, native, annotator))
    # the last record once more: a form that was sent twice says the same, and one from a page behind it supersedes it
    for number in range(max(count - 1, 0), count + 1):
        superseded = {"supersedes": event_id(SOURCE, f"{native}/{number - 1}", annotator)} if number else {}
        batch = FeedbackBatch(user=_user(visitor), feedback=({**record, **superseded, "id": f"{native}/{number}"},))
        [result] = (await feedback.give(batch, visitor.caller, serving)).results
        if result.result == "stored":
            return RedirectResponse("/chat?done=true", 303)
    raise ApiError(400, f"{result.reason}; ask again")


def compared(answers: Sequence[str]) -> Mapping[str, str]:
    """The buttons below two answers: of two with the same text, none is better."""
    same = same_text(*answers)
    return {said: text for said, text in COMPARED.items() if not (same and said in SIDES)}


def _said_before(serving: Serving, database: "Database", native: str, annotator: str) -> int:
    """How many records a person has stored from one page."""
    from feedback.store import arrivals

    for number in itertools.count():
        name = event_id(SOURCE, f"{native}/{number}", annotator)
        if not arrivals.find(database, [name], serving.workspace.feedback):
            break
    return number


def _user(visitor: Visitor) -> str | None:
    """The name of the person where a key does not name them."""
    return None if visitor.annotator == visitor.caller.name else visitor.person


async def _shown(
    visitor: Visitor,
    serving: Serving,
    question: str = "",
    model: str = "",
    other: str = "",
    exchange: Exchange | None = None,
    stored: bool = False,
) -> Response:
    try:
        models = [each.id for each in (await listing.models(visitor.caller, serving)).data]
    except ApiError:
        models = []
    answers = [answer.content for answer in exchange.generation.answers] if exchange else []
    return page(
        "chat.html.jinja",
        visitor,
        "Chat",
        models=models or [CHAMPION],
        question=question,
        model=model or CHAMPION,
        other=other,
        sample=SAMPLE,
        answers=answers,
        compared=compared(answers) if len(answers) == 2 else {},
        version="" if exchange is None or exchange.blinded else exchange.model,
        exchange=exchange.id if exchange else "",
        key=secrets.token_urlsafe(16),
        stored=stored,
        longest=LONGEST,
    )
