"""Forms of records, one file each, recognised by their columns: `feedback/layouts/helpsteer3.py` reads HelpSteer3.

The layout with the most columns wins, if its columns include those of every other layout that matches. Otherwise, and
where a column that looks like a part of the prompt would be left out, the record is refused: nothing is guessed.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, ClassVar, NamedTuple

from core.errors import BadFeedback
from core.plugins import Plugin, find, names
from feedback import json_text
from feedback.schema import FeedbackEvent

Record = Mapping[str, Any]

LIKE_A_PROMPT = frozenset(
    {
        *("instruction", "conversations", "conversation", "context", "history", "question", "query", "input"),
        *("system", "system_prompt", "messages"),
    }
)
"""Names of columns that are parts of a prompt in some format."""

LIKE_A_WORSE_ANSWER = frozenset(
    {
        *("rejected", "rejected_response", "rejected_output", "rejected_answer", "rejected_messages"),
        *("rejected_responses", "non_preferred_output", "negative"),
    }
)
"""Names of columns with an answer that is worse than the one that a form without it would read."""
LIKE_A_MARK = frozenset(
    {
        *("label", "labels", "thumb", "thumbs", "thumbs_up", "thumbs_down", "vote", "votes", "liked", "disliked"),
        *("accepted", "rating", "ratings", "stars", "score", "scores", "reward", "rewards", "quality", "grade"),
        *("feedback", "user_feedback", "preference", "verdict", "correct", "helpful", "good", "bad"),
        *("kto_tag", "weight"),
    }
)
"""Names of columns that state in some formats how good an answer is, as do those that begin with `is_`."""
_MARKS = frozenset(
    {
        *("true", "false", "up", "down", "good", "bad", "yes", "no", "like", "dislike", "liked", "disliked"),
        *("thumbs_up", "thumbs_down", "thumbs up", "thumbs down", "thumbsup", "thumbsdown", "👍", "👎"),
        *("positive", "negative", "correct", "incorrect", "accepted", "rejected", "chosen"),
    }
)
_THUMBS = {True: 1, False: 0, "true": 1, "false": 0, "True": 1, "False": 0, "1": 1, "0": 0}
"""The number 1 equals True, 0 equals False. Texts are from CSV."""

_MAP = "`rounds feedback inspect FILE` prints a map to complete"
"""The cure for a record of no known form."""

TIE, SKIP = {"outcome": "tie"}, {"outcome": "skip"}
FIRST, SECOND = {"ranks": [1, 2]}, {"ranks": [2, 1]}


class Form(NamedTuple):
    """A record taken apart: prompt, answers and judgements, as they are given."""

    kind: str
    prompt: object
    """A text or a list of turns; None if all answers are whole conversations."""
    answers: Mapping[str, object]
    """Name in the record, for messages → a text, a list of turns, or an object with `messages`."""
    judgements: Sequence[Mapping[str, Any]] = ()
    native: Mapping[str, Any] = {}
    """Values that a layout has read and that are kept in `extra` as they were."""
    fields: Mapping[str, Any] = {}
    """Other fields of the event, such as its flags."""


class Published(NamedTuple):
    """A public data set whose records have a form."""

    name: str
    licence: str
    """Its licence as its publisher states it. Suggested by `inspect`, never set: other files can have the form."""


class Layout(Plugin):
    """A form of records."""

    columns: ClassVar[frozenset[str]]
    """Columns that a record must have."""
    optional: ClassVar[frozenset[str]] = frozenset()
    """Columns that are also read, where a record has them."""
    verdict: ClassVar[frozenset[str]] = frozenset()
    """Columns that a record must have, but that may be null: nobody judged."""
    published: ClassVar[Published | None] = None
    """The data set that is known for this form; None if there is none, or if its licence is not known."""

    def matches(self, record: Record) -> bool:
        """Whether the values are those of this form; only called if all columns are there."""
        return True

    @abstractmethod
    def read(self, record: Record) -> Form:
        """The parts of a record.

        Raises:
            BadFeedback: a value has a meaning that is not known.
        """


def recognise(record: Record) -> Layout:
    """The layout of a record.

    Raises:
        BadFeedback: no layout matches, two do, or a column that looks like a part of the prompt would be left out.
    """
    stated = frozenset(name for name, value in record.items() if value is not None)
    matching = [layout for layout in _with_columns(stated) if layout.matches(record)]
    if not matching:  # only then, because a table of several forms has the columns of all of them, most of them null
        matching = [layout for layout in _without_verdict(stated, frozenset(record)) if layout.matches(record)]
    if not matching:
        raise BadFeedback(_unknown(record, stated))
    best, *others = matching
    claimed = best.columns | best.optional
    if other := next((layout for layout in others if not layout.columns <= claimed), None):
        raise BadFeedback(f"the columns are those of {best.name()} and of {other.name()}, expected one of them; {_MAP}")
    if suspects := stated & LIKE_A_PROMPT - claimed:
        _check_unclaimed(record, suspects, best.read(record).prompt)
    if suspects := _suspects(stated - claimed):
        _check_demonstration(best.read(record).kind, suspects, record)
    return best


@lru_cache(maxsize=1000)
def _suspects(columns: frozenset[str]) -> frozenset[str]:
    """The columns that may mark an answer as bad, or be a worse one."""
    return frozenset(name for name in columns if name in LIKE_A_WORSE_ANSWER or is_like_a_mark(name))


def is_like_a_mark(name: str) -> bool:
    """Whether a column of this name states in some formats how good an answer is."""
    return name.lower() in LIKE_A_MARK or name.lower().startswith("is_")


def all_layouts() -> list[Layout]:
    """Every layout, those with the most columns first."""
    return list(_all())


@cache
def _all() -> tuple[Layout, ...]:
    classes = [find(__name__, name) for name in names(__name__)]
    layouts = [cls() for cls in classes if issubclass(cls, Layout)]
    return tuple(sorted(layouts, key=lambda layout: (-len(layout.columns), layout.name())))


@lru_cache(maxsize=1000)
def _with_columns(stated: frozenset[str]) -> tuple[Layout, ...]:
    return tuple(layout for layout in _all() if layout.columns <= stated)


@lru_cache(maxsize=1000)
def _without_verdict(stated: frozenset[str], present: frozenset[str]) -> tuple[Layout, ...]:
    return tuple(one for one in _all() if one.columns <= present and one.columns - one.verdict <= stated)


def _unknown(record: Record, stated: frozenset[str]) -> str:
    if name := list_of_records(record):
        return f"the records are in a list under {name}, expected one record per line; {unwrapping(name)}"
    missing = next((name for name in ("prompt", "chosen", "rejected") if name not in stated), None)
    if missing and {"chosen", "rejected"} & stated:
        return f"{missing} is missing, expected one of the forms in docs/feedback.md"
    if stated <= FeedbackEvent.model_fields.keys():
        return "responses is missing, expected one of the forms in docs/feedback.md"
    return (
        f"the columns {', '.join(sorted(stated))} are no known form, expected one of those in docs/feedback.md; {_MAP}"
    )


_WRAPPERS = ("data", "records", "rows", "items", "examples", "samples", "instances", "train", "test")
_SHORT = 60
"""Up to this many characters is a text beside a list of records, such as a version, and no prompt."""


def list_of_records(record: Record) -> str | None:
    """The column of an object that is no record itself, but holds a list of them; None if there is none."""
    name = next((name for name in _WRAPPERS if isinstance(record.get(name), list) and parts(record, name)), None)
    others = [value for other, value in record.items() if other != name]
    alone = not any(isinstance(value, list) or (isinstance(value, str) and len(value) > _SHORT) for value in others)
    return name if alone and not record.keys() & (LIKE_A_PROMPT | {"prompt"}) else None


def unwrapping(name: str) -> str:
    """How to write the records of such a list as a file of records."""
    return f"write them so: jq -c '.{name}[]' FILE > records.jsonl"


def _check_unclaimed(record: Record, columns: frozenset[str], prompt: object) -> None:
    """A column may be left out if it is empty or repeats the prompt."""
    if column := next((name for name in sorted(columns) if record[name] and record[name] != prompt), None):
        raise BadFeedback(f"{column} looks like a part of the prompt, expected a form that reads it; {_MAP}")


def _check_demonstration(kind: str, columns: frozenset[str], record: Record) -> None:
    """An answer is no demonstration if another column may mark it as bad, or may be the second answer of a pair."""
    suspects = {name for name in columns if name in LIKE_A_WORSE_ANSWER or _is_mark(record[name])}
    if kind == "demonstration" and suspects:
        raise BadFeedback(
            f"{min(suspects)} may mark the answer as bad, or be a second answer, expected a form that reads it; {_MAP}"
        )


def _is_mark(value: object) -> bool:
    """Whether a value is a number or a word for good or bad, or holds one."""
    if isinstance(value, Mapping | list):
        return any(map(_is_mark, value.values() if isinstance(value, Mapping) else value))
    if isinstance(value, str):
        return value.strip().lower() in _MARKS or _is_number(value)
    return isinstance(value, bool | int | float)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def single(record: Record, prompt: object, answers: Mapping[str, object], native: Mapping[str, Any]) -> Form:
    """One answer: with a `kto_tag`, as in LLaMA-Factory, it has a thumb; without, it is a demonstration.

    Raises:
        BadFeedback: the tag is neither true nor false, or the last turn of a demonstration is marked as bad.
    """
    if "kto_tag" in record:
        judgement = thumb(record, "kto_tag")
        return Form("binary", prompt, answers, [judgement], {**native, "kto_tag": record["kto_tag"]})
    for turns in answers.values():
        _check_last(turns)
    return Form("demonstration", prompt, answers, native=native)


def _check_last(turns: object) -> None:
    """The last turn is no demonstration if it has the weight 0, with which OpenAI does not train on it, or a mark."""
    last = turns[-1] if isinstance(turns, list) and turns and isinstance(turns[-1], Mapping) else {}
    if last.get("weight") in (0, "0"):
        raise BadFeedback("the last turn has the weight 0, expected an answer to imitate; leave the record out")
    _check_demonstration("demonstration", _suspects(frozenset(last) - {"weight", "role", "content"}), last)


def thumb(record: Record, column: str) -> dict[str, Any]:
    """The judgement of a single answer by a column that is true for a good one, false for a bad one.

    Raises:
        BadFeedback: it is neither.
    """
    return {"scores": [one_of(record, column, _THUMBS)], "scale_min": 0, "scale_max": 1}


def one_of(record: Record, column: str, meanings: Mapping[Any, Any]) -> Any:
    """The meaning of a value in a column.

    Raises:
        BadFeedback: the value has none.
    """
    value = record.get(column)
    try:
        return meanings[value]
    except (KeyError, TypeError) as error:
        expected = " or ".join(repr(given) for given in meanings)
        raise BadFeedback(f"{column} is {value!r}, expected {expected}") from error


def number(record: Record, column: str) -> float | None:
    """The number in a column, which may be written as text; None if it is not stated.

    Raises:
        BadFeedback: it is not a number.
    """
    value = record.get(column)
    if value is None or value == "":
        return None
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise BadFeedback(f"{column} is {value!r:.60}, expected a number")


def signed(record: Record, column: str, most: float) -> dict[str, Any]:
    """The judgement of two answers by a number whose sign names the better one: negative the first, 0 a tie.

    Raises:
        BadFeedback: it is not a number from `-most` to `most`.
    """
    value = number(record, column)
    if value is None:
        return dict(SKIP)
    if abs(value) > most:
        raise BadFeedback(f"{column} is {value:g}, expected a number from {-most:g} to {most:g}")
    winner = TIE if value == 0 else FIRST if value < 0 else SECOND
    return {**winner, "strength": abs(value), "strength_max": most}


def by_score(first: float | None, second: float | None) -> dict[str, Any]:
    """The judgement of two answers by scores, of which the higher is better."""
    if first is None or second is None:
        return dict(SKIP)
    winner = TIE if first == second else FIRST if first > second else SECOND
    return {**winner, "scores": [first, second]}


def by_scores(scores: Sequence[float | None], **fields: Any) -> dict[str, Any]:
    """The judgement of any number of answers by scores, of which the higher is better; None is not scored.

    `fields` are other fields of the judgement, such as its scale.
    """
    if sum(score is not None for score in scores) < 2:
        return {**SKIP, **fields}
    return {"ranks": ranked([None if score is None else -score for score in scores]), "scores": list(scores), **fields}


def ranked(values: Sequence[float | None]) -> list[int | None]:
    """Ranks from 1 (best) by numbers of which the lowest is the best; equal numbers get equal ranks."""
    order = sorted({value for value in values if value is not None})
    ranks = {value: rank for rank, value in enumerate(order, start=1)}
    return [None if value is None else ranks[value] for value in values]


def below(record: Record, *columns: str) -> str:
    """The texts in these columns below each other, those that are not empty.

    Raises:
        BadFeedback: one is not a text.
    """
    stated = {name: record[name] for name in columns if record.get(name)}
    if wrong := next((name for name, value in stated.items() if not isinstance(value, str)), None):
        raise BadFeedback(f"{wrong} is {stated[wrong]!r:.60}, expected a text")
    return "\n\n".join(stated.values())


def decoded(value: object) -> Any:
    """A value, or the one written in it as JSON, as in the columns of some CSV files."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json_text.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def kept(record: Record, *columns: str) -> dict[str, Any]:
    """The values of these columns, for `Form.native`."""
    return {name: record[name] for name in columns if name in record}


def empty(record: Record, *columns: str) -> dict[str, Any]:
    """The empty values of these columns, for `Form.native`: nothing in the event shows that they were stated."""
    return {name: record[name] for name in columns if record.get(name) in ("", [])}


def by_ai(record: Record) -> dict[str, Any]:
    """That a model judged, for `Form.fields`, unless the record states who did."""
    return {} if record.get("annotator_type") else {"annotator_type": "ai"}


def without(parts: Sequence[Mapping[str, Any]], *keys: str) -> list[dict[str, Any]]:
    """Parts of a record without the keys that the event holds, for `Form.native`."""
    return [{name: value for name, value in part.items() if name not in keys} for part in parts]


def parts(record: Record, column: str, *keys: str) -> list[Mapping[str, Any]]:
    """The objects of a list, also of one written as JSON; empty if it is no list of objects with these keys."""
    value = decoded(record.get(column))
    objects = value if isinstance(value, list) else []
    return objects if all(isinstance(part, Mapping) and part.keys() >= set(keys) for part in objects) else []


_SPEAKERS = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
_USUAL = {"user": "human", "assistant": "gpt", "system": "system"}
"""Role → the name that ShareGPT uses for it."""


def spoken(turns: object, system: object = None) -> object:
    """Turns in the form of ShareGPT, `{from, value}`, as `{role, content}`, below a system turn if there is one.

    Other keys of a turn are left in it, as is the name of a speaker that is not written as in ShareGPT.

    Raises:
        BadFeedback: a turn is by another speaker than human, user, gpt, assistant or system.
    """
    above = [{"role": "system", "content": system}] if system else []
    if not isinstance(turns, list) or not all(isinstance(turn, Mapping) for turn in turns):
        return turns
    return above + [_turn(turn) if "from" in turn else dict(turn) for turn in turns]


def _turn(turn: Mapping[str, Any]) -> dict[str, Any]:
    speaker = turn["from"]
    role = one_of({"from": speaker.lower() if isinstance(speaker, str) else speaker}, "from", _SPEAKERS)
    others = {name: value for name, value in turn.items() if name != "value"}
    if speaker == _USUAL[role]:
        del others["from"]
    return {**others, "role": role, "content": turn.get("value")}
