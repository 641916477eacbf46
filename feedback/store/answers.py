"""The answers that the server gave, in the feedback database: what feedback by their ids is about.

A row is durable before the last byte of its answer is sent. Rows go after the time of retention, when their asker is
forgotten, or one by one (`redact`). Feedback on them stays: it has its own copy of prompt and answer.
"""

import json
from collections.abc import Collection, Mapping, Sequence, Set
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, delete, func, not_, select, true, update

from feedback.schema import Message
from feedback.store.database import Database
from feedback.store.erasure import GONE
from feedback.store.tables import check_id, inserting, served_answers

_ROWS = 500
"""How many rows are read at a time where there may be many."""

NO_CONSENT = "none-stated"
"""The consent of a request that states none."""


class ServedAnswer(NamedTuple):
    """One answer."""

    response_id: str
    completion: str
    """Id of the request: that of its first answer."""
    choice: int
    """Index among the answers to the request."""
    annotator: str
    """Who asked: the id that feedback of the same person has."""
    version: str
    """Of the policy."""
    prompt: tuple[Message, ...]
    text: str
    """As far as it was sent."""
    finish: str
    """`stop`, `length`, or `withdrawn` if the client went away."""
    prompt_tokens: int
    tokens: int
    asked_at: datetime
    answered_at: datetime
    consent: str = NO_CONSENT
    """What the asker consents to."""
    compared: str | None = None
    """The number of the version that was asked for beside another one, or `sample`, if two answers were shown side by
    side."""
    facts: Mapping[str, Any] = {}
    """Other values, such as temperature, seed and key."""

    @property
    def redacted(self) -> bool:
        """Whether prompt and text are gone."""
        return self.text == GONE


def put(database: Database, answers: Sequence[ServedAnswer]) -> None:
    """Store answers; they are durable when this returns.

    Raises:
        BadFeedback: the name of the asker, or another value, cannot be stored.
        NoDatabase: the database does not answer.
    """
    for answer in answers:
        check_id("annotator", answer.annotator)
    rows = [_row(answer) for answer in answers]
    database.write(lambda connection: connection.execute(inserting(connection, served_answers, rows, "response_id")))


def find(database: Database, names: Collection[str]) -> dict[str, ServedAnswer]:
    """Response id → answer, of those that are stored."""
    rows = _select(database, served_answers.c.response_id.in_(names))
    return {answer.response_id: answer for answer in rows}


def of_completion(database: Database, completion: str) -> list[ServedAnswer]:
    """All answers to one request, in their order; empty if none is stored."""
    return sorted(_select(database, served_answers.c.completion == completion), key=lambda answer: answer.choice)


def consented(database: Database, consents: Collection[str], until: datetime) -> list[ServedAnswer]:
    """The first answers to requests that were answered before a time with one of these consents, oldest first."""
    return _select(
        database,
        served_answers.c.consent.in_(consents),
        served_answers.c.answered_at < until,
        served_answers.c.choice == 0,
        served_answers.c.text != json.dumps(GONE),
    )


def expire(database: Database, before: datetime, write: bool) -> int:
    """Remove the answers from before a time; returns their number. Without `write`, they are counted.

    The disk is not freed at once: that would keep all writers waiting. SQLite has zeros in their place.
    """
    count = _remove(database, served_answers.c.answered_at < before, write)
    if write:
        database.empty_log()
    return count


def erase(database: Database, annotator: str, write: bool) -> int:
    """Remove the answers to one asker; returns their number. Without `write`, they are counted."""
    count = _remove(database, served_answers.c.annotator == annotator, write)
    if write:  # also if there is none: an earlier attempt may have been killed after it removed them
        database.compact()
    return count


def own_texts(database: Database, annotator: str) -> frozenset[str]:
    """The texts of prompts and answers that only this asker's answers have, and nobody else's."""
    is_own = served_answers.c.annotator == annotator
    own = _texts(database, is_own)
    return own - _texts(database, not_(is_own)) if own else own


def those_of_others(database: Database, texts: Set[str], annotator: str | None) -> frozenset[str]:
    """Those of the texts that the answers to others than an asker have, in prompts or answers; None for all askers."""
    others = true() if annotator is None else served_answers.c.annotator != annotator
    return _texts(database, others, texts)


def redact(database: Database, response_id: str) -> tuple[str, ...]:
    """Remove prompt, text and asker of an answer, and of the others to the same request, which have the same prompt.

    The disk is not freed: `Database.compact` does that.

    Returns:
        their response ids; empty if no such answer is stored.
    """
    gone = json.dumps([{"role": "user", "content": GONE}])
    own = select(served_answers.c.completion).where(served_answers.c.response_id == response_id)
    change = (
        update(served_answers)
        .where(served_answers.c.completion == own.scalar_subquery())
        .values(prompt=gone, text=json.dumps(GONE), annotator=GONE, facts="{}")
        .returning(served_answers.c.response_id)
    )
    return tuple(database.write(lambda connection: connection.execute(change).scalars().all()))


def _select(database: Database, *conditions: ColumnElement[bool]) -> list[ServedAnswer]:
    query = select(served_answers).where(*conditions).order_by(served_answers.c.position)
    return [_answer(row) for row in database.read(lambda connection: connection.execute(query).all())]


def _texts(database: Database, condition: ColumnElement[bool], among: Set[str] | None = None) -> frozenset[str]:
    query = select(served_answers.c.prompt, served_answers.c.text).where(condition)

    def work(connection: Connection) -> frozenset[str]:
        rows = connection.execution_options(yield_per=_ROWS).execute(query)
        turns = (
            turn["content"] for row in rows for turn in [*json.loads(row.prompt), {"content": json.loads(row.text)}]
        )
        return frozenset(text for text in turns if among is None or text in among)

    return database.read(work)


def _remove(database: Database, condition: ColumnElement[bool], write: bool) -> int:
    def work(connection: Connection) -> int:
        query = select(func.count()).select_from(served_answers).where(condition)
        count = connection.execute(query).scalar_one()
        if write and count:
            connection.execute(delete(served_answers).where(condition))
        return count

    return database.write(work) if write else database.read(work)


def _row(answer: ServedAnswer) -> dict[str, Any]:
    prompt = json.dumps([turn.model_dump() for turn in answer.prompt], ensure_ascii=False)
    return answer._asdict() | {
        "prompt": prompt,
        "text": json.dumps(answer.text, ensure_ascii=False),
        "facts": json.dumps(dict(answer.facts)),
    }


def _answer(row: Row[Any]) -> ServedAnswer:
    values = {name: value for name, value in row._mapping.items() if name != "position"}
    prompt = tuple(Message.model_validate(turn) for turn in json.loads(values["prompt"]))
    texts = {name: json.loads(values[name]) for name in ("text", "facts")}
    return ServedAnswer(**values | texts | {"prompt": prompt})
