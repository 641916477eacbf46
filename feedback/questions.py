"""Questions that a labelling tool asks about a prompt and answers to it, and what a person's replies mean.

A submission is what one person said about one item. It becomes at most one event per kind: the verdicts on which
answer is better, the ratings, the thumbs, the labels; and one event per corrected or written answer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from core.errors import BadFeedback
from core.yaml_text import text_of
from feedback.judgementmap import with_text_keys
from feedback.layouts import number

Use = Literal["winner", "ranking", "rating", "thumb", "label", "rationale", "correction", "demonstration", "ignored"]
Meaning = Literal["good", "bad", "tie", "tie_both_good", "tie_both_bad", "skip", "cannot_judge", "not_rankable"]
Record = dict[str, Any]

_THUMBS = {"good": 1, "bad": 0}
_MEANINGS: Mapping[str, Callable[[int | str], bool]] = {
    "winner": lambda value: value not in _THUMBS,
    "ranking": lambda value: isinstance(value, int),
    "thumb": lambda value: not isinstance(value, int) and not value.startswith("tie"),
}
"""Use → whether a value of `values` has a meaning there."""


class Question(BaseModel):
    """How the replies to one question are read."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    use: Use
    """`winner` and `ranking` compare the answers; `rating`, `thumb` and `label` judge one of them; `rationale` is the
    reason for all of them; `correction` is an edited answer, `demonstration` a written one; `ignored` is not read."""
    answer: int = Field(0, ge=0)
    """Position of the answer that is judged or corrected, from 0."""
    values: Annotated[dict[str, int | Meaning], BeforeValidator(with_text_keys)] = Field(default_factory=dict)
    """Reply → the better answer by its position from 0, or `tie`, `tie_both_bad`, `skip`, …; for a ranking, item →
    position; for a thumb, reply → `good` or `bad`."""
    scale: tuple[float, float] | None = None
    """For a rating: the worst and the best value, in this order. It has no default: a direction is never guessed."""
    criterion: str | None = None
    """Criterion of the judgement: `overall` for a comparison, else the name of the question."""

    @model_validator(mode="after")
    def _is_complete(self) -> "Question":
        if self.use == "rating" and (self.scale is None or self.scale[0] == self.scale[1]):
            raise ValueError("a rating needs its scale; add the worst and the best value, such as scale: [1, 5]")
        for reply, value in self.values.items():
            if self.use in _MEANINGS and not _MEANINGS[self.use](value):
                raise ValueError(f"values has {reply}: {value}, which is no meaning for a {self.use}")
        return self


class Submission(NamedTuple):
    """What one person said about one item."""

    identity: str
    """Its id in the tool."""
    prompt: object
    answers: Sequence[object]
    replies: Mapping[str, object]
    """Name of the question → the reply."""
    skipped: bool
    """True if the person declined to judge."""
    fields: Mapping[str, Any]
    """Fields of the events, such as annotator and time."""
    extra: Mapping[str, Any]
    """The native fields."""


def records(submission: Submission, questions: Mapping[str, Question]) -> list[Record]:
    """The events of a submission in the canonical form.

    Raises:
        BadFeedback: a reply has no meaning, or a question is not among `questions`; names the knob to set.
    """
    if unknown := next((name for name in submission.replies if name not in questions), None):
        raise BadFeedback(
            f"{unknown} is {submission.replies[unknown]!r}, expected the question in `questions` of the source, "
            f"such as questions: {{{unknown}: {{use: rating, scale: [1, 5]}}}}, or {{use: ignored}}"
        )
    read = [] if submission.skipped else list(_events(submission, questions))
    read = read or _skips(submission, questions)
    return [{**record, **_times(submission, first=not ix)} for ix, record in enumerate(read)]


def _events(submission: Submission, questions: Mapping[str, Question]) -> Iterator[Record]:
    asked = {name: questions[name] for name in submission.replies}
    reason = _rationale(submission, asked)
    for form in _FORMS:
        judgements = [
            {
                "criterion": question.criterion or form.criterion or name,
                **form.judge(name, question, submission),
                **reason,
            }
            for name, question in asked.items()
            if question.use in form.uses
        ]
        if judgements:
            yield _event(submission, form.kind, form.suffix, judgements)
    for name, question in asked.items():
        yield from _written(submission, name, question)
    if reason and {question.use for question in asked.values()} <= {"rationale", "ignored"}:
        yield _event(submission, "critique", "/critique", [reason])


def _skips(submission: Submission, questions: Mapping[str, Question]) -> list[Record]:
    """The person declined to judge, or said nothing: that also withdraws earlier judgements under the same ids."""
    uses = {question.use for question in questions.values()}
    skipped = [form for form in _FORMS if form.uses & uses]
    skipped = skipped or [_FORMS[0] if len(submission.answers) > 1 else _FORMS[1]]
    return [_event(submission, form.kind, form.suffix, [{"outcome": "skip"}]) for form in skipped]


def _verdict(name: str, question: Question, submission: Submission) -> Record:
    count = len(submission.answers)
    if question.use == "ranking":
        return {"ranks": _ranks(name, question, submission.replies[name], count)}
    meaning = _meaning(name, question, submission.replies[name])
    if isinstance(meaning, str):
        return {"outcome": meaning}
    if count != 2:
        raise BadFeedback(f"{name} names the best of {count} answers, expected two; the order of the others is open")
    _check_position(meaning, count)
    return {"ranks": [1 if position == meaning else 2 for position in range(count)]}


def _rating(name: str, question: Question, submission: Submission) -> Record:
    value = number({name: submission.replies[name]}, name)
    worst, best = question.scale or (0, 0)
    if value is None or not min(worst, best) <= value <= max(worst, best):
        raise BadFeedback(f"{name} is {value}, expected a number from {worst:g} to {best:g}, as its scale says")
    score = value if worst < best else worst + best - value
    return {**_on(submission, question, score), "scale_min": min(worst, best), "scale_max": max(worst, best)}


def _thumb(name: str, question: Question, submission: Submission) -> Record:
    meaning = _meaning(name, question, submission.replies[name])
    if meaning in _THUMBS:
        score = _THUMBS[str(meaning)]
        return {**_on(submission, question, score), "scale_min": 0, "scale_max": 1}
    return {"outcome": meaning}


def _label(name: str, question: Question, submission: Submission) -> Record:
    reply = submission.replies[name]
    return {"label": ", ".join(map(text_of, reply)) if isinstance(reply, list) else text_of(reply)}


class _Form(NamedTuple):
    """Judgements that become one event."""

    uses: frozenset[str]
    """The uses of the questions."""
    kind: str
    """Kind of the event; empty for a comparison or a ranking, by the number of answers."""
    suffix: str
    """What is added to the id of the submission."""
    criterion: str
    """The criterion if the question states none; empty for the name of the question."""
    judge: Callable[[str, Question, Submission], Record]


_FORMS = (
    _Form(frozenset({"winner", "ranking"}), "", "", "overall", _verdict),
    _Form(frozenset({"rating"}), "rating", "/rating", "", _rating),
    _Form(frozenset({"thumb"}), "binary", "/thumb", "", _thumb),
    _Form(frozenset({"label"}), "label", "/label", "", _label),
)


def _written(submission: Submission, name: str, question: Question) -> Iterator[Record]:
    """A corrected or written answer as an event; none if the person wrote nothing."""
    text = submission.replies[name]
    if question.use not in ("correction", "demonstration") or not (isinstance(text, str) and text.strip()):
        return
    written: Record = {"messages": text, "origin": "human"}
    if question.use == "demonstration":
        yield _event(submission, "demonstration", f"/{name}", [], [written])
        return
    _check_position(question.answer, len(submission.answers))
    edited = {**written, "origin": "human_edit", "parent_ix": 0}
    yield _event(submission, "correction", f"/{name}", [], [submission.answers[question.answer], edited])


def _event(
    submission: Submission,
    kind: str,
    suffix: str,
    judgements: Sequence[Record],
    answers: Sequence[object] | None = None,
) -> Record:
    several = "comparison" if len(submission.answers) == 2 else "ranking"
    return {
        "kind": kind or several,
        "source_id": f"{submission.identity}{suffix}",
        "prompt": submission.prompt,
        "responses": list(submission.answers if answers is None else answers),
        "judgements": list(judgements),
        "extra": dict(submission.extra),
    }


def _times(submission: Submission, first: bool) -> Mapping[str, Any]:
    """The fields of the events; the time that the person took is stated once."""
    return {name: value for name, value in submission.fields.items() if first or name != "duration_ms"}


def _check_position(position: int, count: int) -> None:
    if not 0 <= position < count:
        raise BadFeedback(f"the answer at position {position} is judged, expected 0 to {count - 1} in `questions`")


def _on(submission: Submission, question: Question, score: float) -> Record:
    """A score of one answer."""
    _check_position(question.answer, len(submission.answers))
    return {"scores": [score if ix == question.answer else None for ix in range(len(submission.answers))]}


def _meaning(name: str, question: Question, reply: object) -> int | str:
    if text_of(reply) not in question.values:
        expected = ", ".join(question.values) or f"a reply that questions.{name}.values names"
        raise BadFeedback(f"{name} is {reply!r}, expected {expected}; add it to questions.{name}.values")
    return question.values[text_of(reply)]


def _ranks(name: str, question: Question, reply: object, count: int) -> list[int | None]:
    """Ranks by the position of the answers. A reply is a list of `{value, rank}`, or of items with the best first."""
    items = reply if isinstance(reply, list) else []
    ranked = [
        (item.get("value"), number(item, "rank")) if isinstance(item, Mapping) else (item, float(place))
        for place, item in enumerate(items, start=1)
    ]
    by_position = {_position(name, question, item, count): rank for item, rank in ranked}
    ranks = [by_position.get(position) for position in range(count)]
    order = sorted({rank for rank in ranks if rank is not None})
    return [None if rank is None else order.index(rank) + 1 for rank in ranks]


def _position(name: str, question: Question, item: object, count: int) -> int:
    position = _meaning(name, question, item)
    assert isinstance(position, int)  # checked where the question was made
    _check_position(position, count)
    return position


def _rationale(submission: Submission, asked: Mapping[str, Question]) -> Record:
    texts = [submission.replies[name] for name, question in asked.items() if question.use == "rationale"]
    text = "\n".join(text_of(text) for text in texts if text_of(text).strip())
    return {"rationale": text} if text else {}
