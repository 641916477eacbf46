"""Datasets of Argilla, exported to files: each submitted response of a person is a submission."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from core.errors import BadFeedback
from feedback import exports, lines, questions
from feedback.layouts import spoken
from feedback.lines import Record
from feedback.packaging.raw import as_json
from feedback.paths import at
from feedback.questions import Question, Submission
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, RecordSource

_RESPONSES = ".responses"
_ABOUT_A_RECORD = ("status", "fields", "responses", "updated_at")
"""Columns that are read, or that change when another person responds."""


class Reply(NamedTuple):
    """One person's reply to one question."""

    question: str
    person: str
    """Id of the person; `?0`, `?1`, … for the first, the second, … response without a user."""
    value: Any
    status: str | None
    """`submitted`, `draft` or `discarded`; None if the export does not state it."""


class Argilla(RecordSource):
    """A ranking or a label that names the answers' fields compares them. A discarded response is a skip.

    Drafts are not read: they are not finished. A response that is edited later corrects the one that is stored.
    """

    editable: ClassVar[bool] = True

    path: Path
    """A file (JSON, JSON lines or Parquet), a folder of files, or the URL of one such as `s3://bucket/folder`."""
    prompt: str
    """Field with the prompt, or the path of the prompt in it: a text or a chat."""
    answers: tuple[str, ...] = Field(min_length=1)
    """Fields with the answers."""
    questions: dict[str, Question] = Field(default_factory=dict)
    """Name of a question → how its replies are read.

    A ranking of the answers' fields, and a label that is the name of one, need no entry.
    """
    source: str = "argilla"
    """Name of the events' source: one for each dataset, because ids are those of a dataset."""

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """All responses, record by record."""
        defaults = self.defaults(intake)
        for file in self.files():
            yield from lines.several(file, self.source, defaults, _by_person, self._records, intake.limits)

    def files(self) -> list[Path]:
        """The files that it reads, sorted by name.

        Raises:
            BadFeedback: there is no such file or folder.
        """
        return self._files_in(self.path)

    def _records(self, part: Record) -> Iterable[Record]:
        """One person's response to a record, in the canonical form."""
        record, replies = part["record"], [Reply(*reply) for reply in part["replies"]]
        fields, person = _fields(record), part["person"]
        submission = Submission(
            identity=_identity(record, [self.prompt, *self.answers]) + (person if person.startswith("?") else ""),
            prompt=spoken(_required(fields, self.prompt)),
            answers=[spoken(_required(fields, name)) for name in self.answers],
            replies={reply.question: reply.value for reply in replies if reply.value is not None},
            skipped=any(reply.status == "discarded" for reply in replies),
            fields={} if person.startswith("?") else {"annotator_id": person},
            extra={"record": self._native(record), "responses": [reply._asdict() for reply in replies]},
        )
        asked = {name: self._question(name, value) for name, value in submission.replies.items()}
        known = {name: question for name, question in asked.items() if question is not None}
        return questions.records(submission, {**self.questions, **known})

    def _question(self, name: str, value: object) -> Question | None:
        """How a reply is read: as `questions` says, or by the names of the answers' fields; None if neither does."""
        positions = {field: ix for ix, field in enumerate(self.answers)}
        given = self.questions.get(name)
        if given is not None:
            by_field = given.use in ("winner", "ranking") and not given.values
            return given.model_copy(update={"values": positions}) if by_field else given
        items = [item.get("value") if isinstance(item, Mapping) else item for item in _items(value)]
        if items and all(isinstance(item, str) and item in positions for item in items):
            return Question(use="winner" if isinstance(value, str) else "ranking", values=positions)
        return None

    def _native(self, record: Record) -> dict[str, Any]:
        """The record without the responses and the texts that are elsewhere in the event."""
        texts = {self.prompt, *self.answers}
        kept = {name: value for name, value in record.items() if name not in {*_ABOUT_A_RECORD, *texts}}
        fields = record.get("fields")
        if isinstance(fields, Mapping):
            kept["fields"] = {name: value for name, value in fields.items() if name not in texts}
        return kept


def _by_person(record: Record) -> Iterator[Record]:
    """The responses to a record, person by person; drafts are left out.

    Raises:
        BadFeedback: the record is not one of Argilla.
    """
    if isinstance(record.get("id"), list):
        raise BadFeedback("the file is one table of columns, expected one record per line; export with `to_json`")
    columns, replies = _replies(record)
    if not columns:
        raise BadFeedback("no column has responses, expected QUESTION.responses, responses, or those of Argilla 1")
    rest = {name: value for name, value in record.items() if name not in columns}
    for person in dict.fromkeys(reply.person for reply in replies):
        own = [reply for reply in replies if reply.person == person and reply.status != "draft"]
        if own:
            yield {"record": rest, "person": person, "replies": own}


def _replies(record: Record) -> tuple[set[str], list[Reply]]:
    """The columns with responses, and the responses in them."""
    flat = {name.removesuffix(_RESPONSES) for name in record if name.endswith(_RESPONSES)}
    if flat:
        columns = {f"{name}{_RESPONSES}{suffix}" for name in flat for suffix in ("", ".users", ".status")}
        return columns, [reply for name in sorted(flat) for reply in _flat(record, name)]
    nested = record.get("responses")
    if isinstance(nested, Mapping) and isinstance(record.get("fields"), Mapping):
        return {"responses"}, [reply for name, given in nested.items() for reply in _listed(name, given)]
    old = [name for name, value in record.items() if exports.is_of_argilla_1(value)]
    return set(old), [reply for name in old for reply in _listed(name, record[name])]


def _flat(record: Record, name: str) -> Iterator[Reply]:
    """Three parallel lists, as in a data set of Argilla 2: values, users, and statuses."""
    values = _items(record.get(f"{name}{_RESPONSES}"))
    users = _items(record.get(f"{name}{_RESPONSES}.users"))
    statuses = _items(record.get(f"{name}{_RESPONSES}.status")) or [None] * len(values)
    if not len(values) == len(users) == len(statuses):
        raise BadFeedback(
            f"{name}{_RESPONSES} has {len(values)} values and {len(users)} users, expected the same number"
        )
    for ix, (value, user, status) in enumerate(zip(values, users, statuses, strict=True)):
        yield Reply(name, _person(user, ix), _value(value), status)


def _listed(name: str, given: object) -> Iterator[Reply]:
    """Objects with value, user and perhaps status, or one object with a list of each."""
    if isinstance(given, Mapping):
        lists = [_items(given.get(key)) for key in ("value", "user_id", "status")]
        lists[2] = lists[2] or [None] * len(lists[0])
        given = [dict(zip(("value", "user_id", "status"), one, strict=False)) for one in zip(*lists, strict=False)]
    for ix, one in enumerate(_items(given)):
        if not isinstance(one, Mapping):
            raise BadFeedback(f"{name} has a response that is no object, expected {{value, user_id}}")
        yield Reply(name, _person(one.get("user_id"), ix), _value(one.get("value")), one.get("status"))


def _person(user: object, ix: int) -> str:
    return f"?{ix}" if user is None else str(user)


def _value(value: object) -> Any:
    """A reply; a ranking that is one object of two lists becomes a list of objects."""
    if isinstance(value, Mapping) and isinstance(value.get("rank"), list):
        pairs = zip(_items(value.get("value")), value["rank"], strict=False)
        return [{"value": item, "rank": rank} for item, rank in pairs]
    return value


def _items(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _fields(record: Record) -> Record:
    fields = record.get("fields")
    return fields if isinstance(fields, Mapping) else record


def _identity(record: Record, texts: Sequence[str]) -> str:
    """The id of a record; in exports of version 1, which may have none, a hash of its texts."""
    for name in ("id", "external_id", "_server_id"):
        if record.get(name) is not None:
            return str(record[name])
    return hashlib.sha256(as_json({text: at(_fields(record), text) for text in texts})).hexdigest()[:32]


def _required(fields: Record, path: str) -> Any:
    value = at(fields, path)
    if value is None:
        raise BadFeedback(f"{path} is missing, expected the field that the source argilla names")
    return value
