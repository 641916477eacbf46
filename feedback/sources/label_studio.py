"""Exports of Label Studio, JSON and JSON-MIN: pairs, ratings, choices and texts, one submission per annotation."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from xml.etree import ElementTree

from pydantic import Field, model_validator

from core.errors import BadFeedback
from core.files import digest
from feedback import lines, packaging, questions
from feedback.layouts import number, spoken
from feedback.limits import UNLIMITED
from feedback.lines import Record
from feedback.paths import at
from feedback.questions import Question, Submission
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, RecordSource

_TASK = ("id", "inner_id", "project", "file_upload", "created_at", "meta")
"""Fields of a task that do not change when another person annotates it."""
_REPLIES = ("selected", "rating", "choices", "text", "number")
"""Keys under which a reply is stored."""
_MIN = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement")
"""Columns of JSON-MIN that are about the annotation."""
MOST_MS = 2**31
"""Milliseconds that `duration_ms` cannot hold: 24 days."""


class Control(NamedTuple):
    """A question of the labelling configuration."""

    tag: str = ""
    """`Pairwise`, `Rating`, `Choices`, `TextArea`, …"""
    objects: tuple[str, ...] = ()
    """Names of the tags that it is about."""
    most_stars: int = 5
    """The highest rating; Label Studio's default is 5."""


class LabelStudio(RecordSource):
    """A pair is read from its tag names: `left` is the first name in `toName`. A cancelled annotation is a skip.

    An annotation that is edited later corrects the one that is stored. Predictions and drafts are not read.
    """

    editable: ClassVar[bool] = True

    path: Path
    """The export: JSON, or JSON-MIN (which has neither tag names nor skips)."""
    prompt: str
    """Path of the prompt in the data of a task, such as `prompt` or `chat.messages`."""
    answers: dict[str, str] = Field(default_factory=dict)
    """Name of a tag → path of the answer that it shows, in the data of a task: `{text1: answer_a, text2: answer_b}`."""
    config: Path | None = None
    """The labelling configuration (XML) in place of `answers`, which are those that `toName` of its questions name."""
    questions: dict[str, Question] = Field(default_factory=dict)
    """Name of a question (`from_name`) → how its replies are read.

    By default, a pair names the winner, stars are a rating, texts are reasons, and choices are labels.
    """
    source: str = "label_studio"
    """Name of the events' source: one for each server, because ids are those of a server."""

    @model_validator(mode="after")
    def _names_its_answers(self) -> "LabelStudio":
        if not self.answers and self.config is None:
            raise ValueError("answers is missing; name the tags and their fields, or set config to the XML file")
        return self

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """All annotations, task by task."""
        defaults = self.defaults(intake)
        project = _Project.of(self)
        yield from lines.several(self.path, self.source, defaults, _annotations, project.records, intake.limits)

    def check(self) -> None:
        """Check that the export and the configuration can be read."""
        lines.check(self.path)
        packaging.detect(self.path, UNLIMITED)
        _Project.of(self)

    def files(self) -> list[Path]:
        """The file."""
        return [self.path]

    def fingerprint(self) -> str:
        """The digests of the export and the configuration."""
        files = [self.path, *([self.config] if self.config else [])]
        for file in files:
            lines.check(file)
        return " ".join(digest(file) for file in files)


class _Project(NamedTuple):
    """How the annotations of a project are read."""

    settings: LabelStudio
    answers: dict[str, str]
    """Tag → path of the answer, in order."""
    controls: dict[str, Control]

    @classmethod
    def of(cls, settings: LabelStudio) -> "_Project":
        """Read the labelling configuration.

        Raises:
            BadFeedback: it cannot be read, or its questions are about no object of the task.
        """
        if settings.config is None:
            return cls(settings, settings.answers, {})
        objects, controls = _configuration(settings.config)
        named = dict.fromkeys(name for control in controls.values() for name in control.objects)
        paths = {name: objects[name] for name in named if name in objects and objects[name] != settings.prompt}
        answers = settings.answers or paths
        if not answers:
            raise BadFeedback(f'{settings.config}: no question is about an object with value="$FIELD"; set `answers`')
        return cls(settings, answers, controls)

    def records(self, part: Record) -> Iterable[Record]:
        """One annotation as records in the canonical form."""
        task, annotation = part["task"], part["annotation"]
        replies = dict(self._from_results(annotation) if "result" in annotation else self._from_columns(part))
        asked = {name: self._question(name, reply) for name, reply in replies.items()}
        if annotation.get("id") is None:
            raise BadFeedback("the annotation has no id, expected the export of Label Studio")
        data = task["data"]
        submission = Submission(
            identity=str(annotation.get("id")),
            prompt=spoken(_required(data, self.settings.prompt)),
            answers=[spoken(_required(data, path)) for path in self.answers.values()],
            replies={name: reply.value for name, reply in replies.items()},
            skipped=annotation.get("was_cancelled") is True,
            fields=_fields(annotation, self.settings.source),
            extra=self._native(task, annotation),
        )
        return questions.records(submission, {**self.settings.questions, **asked})

    def _from_results(self, annotation: Record) -> Iterator[tuple[str, "_Reply"]]:
        """Replies by question; several texts to one question are joined."""
        replies: dict[str, _Reply] = {}
        for result in _objects(annotation, "result"):
            name, objects = str(result.get("from_name")), str(result.get("to_name")).split(",")
            reply = _reply(name, result.get("value"), tuple(objects), str(result.get("type")))
            before = replies.get(name)
            joined = before is not None and reply.key == before.key == "text"
            replies[name] = reply._replace(value=f"{before.value}\n{reply.value}") if joined and before else reply
        yield from replies.items()

    def _from_columns(self, part: Record) -> Iterator[tuple[str, "_Reply"]]:
        """The replies of a row of JSON-MIN: a text, or a list of values as in the full export."""
        names = self.controls.keys() | self.settings.questions.keys()
        if not names:
            raise BadFeedback("JSON-MIN does not say which columns are replies; set `config` to the labelling XML")
        for name in sorted(names & part["task"]["data"].keys()):
            value, control = part["task"]["data"][name], self.controls.get(name, Control())
            if isinstance(value, list) and value and isinstance(value[-1], Mapping):
                yield name, _reply(name, value[-1], control.objects, control.tag)
            elif value:
                yield name, _Reply("text" if control.tag == "TextArea" else "choices", value, control.objects)

    def _question(self, name: str, reply: "_Reply") -> Question:
        """How a reply is read: as `questions` says, completed by what the tags say."""
        given = self.settings.questions.get(name)
        if given is None:
            return self._by_tag(name, reply)
        if given.use == "winner" and not given.values and reply.key == "selected":
            return given.model_copy(update={"values": self._sides(name, reply)})
        if "answer" not in given.model_fields_set and (position := self._position(reply)) is not None:
            return given.model_copy(update={"answer": position})
        return given

    def _by_tag(self, name: str, reply: "_Reply") -> Question:
        position = self._position(reply)
        match reply.key:
            case "selected":
                return Question(use="winner", values=self._sides(name, reply))
            case "rating" if position is not None:
                return Question(use="rating", answer=position, scale=(1, self.controls.get(name, Control()).most_stars))
            case "choices":
                return Question(use="label", answer=position or 0)
            case "text":
                return Question(use="rationale")
            case _:
                raise BadFeedback(f"{name} judges {', '.join(reply.objects)}, which is no answer; set questions.{name}")

    def _sides(self, name: str, reply: "_Reply") -> dict[str, int]:
        """`left` and `right` → position of the answer, by the order of the tag names."""
        tags = list(self.answers)
        if len(reply.objects) != 2 or not set(reply.objects) <= set(tags):
            raise BadFeedback(
                f"{name} compares the tags {', '.join(reply.objects) or '(not stated)'}, expected two of "
                f"{', '.join(tags)}; name both in `answers`, or set `config` to the labelling XML"
            )
        return {side: tags.index(tag) for side, tag in zip(("left", "right"), reply.objects, strict=True)}

    def _position(self, reply: "_Reply") -> int | None:
        """Position of the answer that a question is about; None if it is about something else."""
        tags = list(self.answers)
        return tags.index(reply.objects[0]) if len(reply.objects) == 1 and reply.objects[0] in tags else None

    def _native(self, task: Record, annotation: Record) -> dict[str, Any]:
        texts = {self.settings.prompt, *self.answers.values()}
        data = {name: value for name, value in task["data"].items() if name not in texts}
        about = {name: task[name] for name in _TASK if name in task}
        return {"task": {**about, "data": data}, "annotation": dict(annotation)}


class _Reply(NamedTuple):
    """A reply to a question."""

    key: str
    """The key under which it was stored: `selected`, `rating`, …"""
    value: Any
    objects: tuple[str, ...]
    """The tags that it is about, in the order of `toName`."""


def _reply(name: str, value: object, objects: tuple[str, ...], kind: str) -> _Reply:
    given = value if isinstance(value, Mapping) else {}
    key = next((key for key in _REPLIES if key in given), None)
    if key is None:
        raise BadFeedback(f"{name} has a reply of type {kind}, expected one with {', '.join(_REPLIES)}")
    reply = given[key]
    if isinstance(reply, list):
        reply = "\n".join(map(str, reply)) if key == "text" else reply[0] if len(reply) == 1 else reply
    return _Reply(key, reply, objects)


def _annotations(record: Record) -> Iterator[Record]:
    """The annotations of a task, or the row of JSON-MIN, each with its task.

    Raises:
        BadFeedback: the record is neither.
    """
    column = "annotations" if "annotations" in record else "completions"
    if column in record and isinstance(record.get("data"), Mapping):
        task = {name: value for name, value in record.items() if name != column}
        for annotation in _objects(record, column):
            stable = {name: value for name, value in annotation.items() if name != "created_ago"}
            yield {
                "task": {name: value for name, value in record.items() if name != "annotations"},
                "annotation": stable,
            }
    elif "annotation_id" in record:
        about = {name: record[name] for name in _MIN if name in record and name not in ("id", "agreement")}
        data = {name: value for name, value in record.items() if name not in _MIN}
        task = {"data": data, **({"id": record["id"]} if "id" in record else {})}
        yield {"task": task, "annotation": {**about, "id": record["annotation_id"]}}
    else:
        raise BadFeedback("annotations is missing, expected a task of Label Studio: {id, data, annotations: […]}")


def _objects(record: Record, column: str) -> list[Record]:
    """The objects in a list; none if the list is null."""
    value = record.get(column) or []
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise BadFeedback(f"{column} is not a list of objects, expected the export of Label Studio")
    return value


def _required(data: object, path: str) -> Any:
    value = at(data, path) if isinstance(data, Mapping) else None
    if value is None:
        raise BadFeedback(f"data.{path} is missing, expected the field that the source label_studio names")
    return value


def _fields(annotation: Record, source: str) -> dict[str, Any]:
    annotator = annotation.get("completed_by", annotation.get("annotator"))
    if isinstance(annotator, Mapping):
        annotator = annotator.get("id", annotator.get("email"))
    seconds = number(annotation, "lead_time")
    duration = round(seconds * 1000) if seconds is not None and 0 <= seconds * 1000 < MOST_MS else None
    fields = {
        "annotator_id": f"{source}/{annotator}" if isinstance(annotator, int) else annotator,
        "created_at": annotation.get("updated_at") or annotation.get("created_at"),
        "duration_ms": duration,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _configuration(path: Path) -> tuple[dict[str, str], dict[str, Control]]:
    """The objects of a labelling configuration, tag → field of the data, and its questions.

    Raises:
        BadFeedback: the file does not exist, or is no XML.
    """
    lines.check(path)
    try:
        elements = list(ElementTree.parse(path).iter())
    except ElementTree.ParseError as error:
        raise BadFeedback(f"{path}: not XML ({error}); copy it from Settings, Labeling Interface, Code") from error
    named = [(element.tag, element.attrib) for element in elements if "name" in element.attrib]
    objects = {tag["name"]: tag["value"][1:] for _, tag in named if tag.get("value", "").startswith("$")}
    return objects, {tag["name"]: _control(kind, tag) for kind, tag in named if "toName" in tag}


def _control(kind: str, attributes: Mapping[str, str]) -> Control:
    objects = tuple(name.strip() for name in attributes["toName"].split(","))
    stars = attributes.get("maxRating", "")
    return Control(kind, objects, int(stars)) if stars.isdigit() else Control(kind, objects)
