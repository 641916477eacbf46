"""The form of a label task: what can be said of each kind, with the keys, and what a sent form says."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from core.errors import BadFeedback
from feedback.labels import LabelJudgement, LabelKind, LabelTask
from feedback.sides import ABSTENTIONS, SIDES
from serving.pages.forms import FormFields

TEXTS: Mapping[str, str] = {
    "critique": "What is good or bad in this answer?",
    "correction": "The answer as it should be",
    "demonstration": "A good answer",
}
"""Kind whose judgement is a text → the label of its field."""

QUESTIONS: Mapping[LabelKind, str] = {
    "comparison": "Which answer is better?",
    "binary": "Is this answer good?",
    "rating": "How good is this answer?",
    "critique": "What do you say of this answer?",
    "correction": "Correct this answer",
    "demonstration": "Write a good answer",
}

_LONGEST = 2**31 - 1

CRITERION = "criterion."
"""Begins the name of a field with what is said by one criterion."""


_ARROWS = {"ArrowLeft": "←", "ArrowRight": "→", "ArrowUp": "↑", "ArrowDown": "↓"}


class LabelChoice(NamedTuple):
    """One thing that can be said, as a button."""

    said: str
    """The value of the field; `left:3` is a preference for the left answer with strength 3."""
    label: str
    keys: tuple[str, ...]
    """As browsers call them; the first is printed on the button."""
    group: str = "scale"
    """Buttons of one group are in one row."""

    @property
    def printed(self) -> str:
        """The keys that are printed on the button: the first one, and an arrow."""
        return " ".join(_ARROWS.get(key, key) for key in self.keys if key == self.keys[0] or key in _ARROWS)

    @property
    def names(self) -> tuple[str, ...]:
        """All keys as they are printed."""
        return tuple(_ARROWS.get(key, key) for key in self.keys)


_COMPARISON = (
    LabelChoice("left:3", "A much better", ("1",)),
    LabelChoice("left:2", "A better", ("2", "ArrowLeft")),
    LabelChoice("tie", "Tie", ("3",)),
    LabelChoice("right:2", "B better", ("4", "ArrowRight")),
    LabelChoice("right:3", "B much better", ("5",)),
    LabelChoice("both_good", "Both good", ("g", "ArrowUp"), "ties"),
    LabelChoice("both_bad", "Both bad", ("b", "ArrowDown"), "ties"),
)
_BINARY = (
    LabelChoice("up", "Good", ("1", "g", "ArrowUp")),
    LabelChoice("down", "Bad", ("2", "b", "ArrowDown")),
)
ASIDE = (
    LabelChoice("skip", "Skip", ("s",), "aside"),
    LabelChoice("cannot_judge", "Cannot judge", ("c",), "aside"),
)
"""What can be said of every task instead."""

_BY_CRITERION = (
    LabelChoice("left", "A", ("1", "2", "ArrowLeft")),
    LabelChoice("tie", "Tie", ("3",)),
    LabelChoice("right", "B", ("4", "5", "ArrowRight")),
)
_NO_JUDGEMENT = LabelChoice("cannot_judge", "Cannot judge", ("c",))


def choices(task: LabelTask) -> tuple[LabelChoice, ...]:
    """What can be said of a task by one button; nothing of one whose judgement is a text."""
    if task.kind == "comparison":
        return _COMPARISON
    if task.kind == "binary":
        return _BINARY
    return _ratings(task.scale) if task.scale else ()


def choices_by_criterion(task: LabelTask) -> tuple[LabelChoice, ...]:
    """What can be said of a task by one criterion."""
    own = _BY_CRITERION if task.kind == "comparison" else choices(task)
    return (*own, _NO_JUDGEMENT)


def judgement(fields: FormFields) -> LabelJudgement:
    """What a form says.

    Raises:
        BadFeedback: nothing was chosen, or a field has a value that no form has.
    """
    said = fields.get("said", "")
    context = {
        "reason": fields.get("reason", "").strip() or None,
        "duration_ms": _duration(fields),
        "guideline_version": fields.get("guideline_version") or None,
    }
    if said in ABSTENTIONS:
        return _made({"outcome": said} | context)
    criteria = {name.removeprefix(CRITERION): _value(value) for name, value in _criteria(fields)}
    return _made({**_overall(said, fields), **_edit(fields), "criteria": criteria, **context})


def _ratings(scale: tuple[int, int]) -> tuple[LabelChoice, ...]:
    """One button for each rating; the key of 10 is 0."""
    low, high = scale
    ends = {low: " (worst)", high: " (best)"}
    return tuple(
        LabelChoice(f"{number}", f"{number}{ends.get(number, '')}", (f"{number % 10}",))
        for number in range(low, high + 1)
    )


def _criteria(fields: FormFields) -> Sequence[tuple[str, str]]:
    return [(name, value) for name, value in fields.items() if name.startswith(CRITERION) and value]


def _overall(said: str, fields: FormFields) -> dict[str, Any]:
    """The overall judgement: what was chosen, or a text."""
    if said == "text":
        return {kind: fields[kind].strip() for kind in TEXTS if kind in fields}
    if said in ("up", "down"):
        return {"thumb": said}
    if (rating := _number(said)) is not None:
        return {"rating": rating}
    if not said:
        raise BadFeedback("nothing was chosen; use one of the buttons")
    preferred, _, strength = said.partition(":")
    return {"preferred": preferred, "strength": _number(strength)}


def _edit(fields: FormFields) -> dict[str, Any]:
    """The edit of one of two answers."""
    sides = [side for side in SIDES if fields.get(f"edited_{side}")]
    if len(sides) > 1:
        raise BadFeedback("both answers were edited, and one correction can be stored; leave one of them as it was")
    return {"corrected": sides[0], "correction": fields.get(f"edit_{sides[0]}", "").strip()} if sides else {}


def _duration(fields: FormFields) -> int | None:
    """Milliseconds from when the task was shown to when it was judged, as a script measured it; else None.

    The server does not measure it: a form that is sent again has to say the same.
    """
    measured = fields.get("duration_ms", "")
    return min(int(measured[:12]), _LONGEST) if measured.isdecimal() else None


def _value(text: str) -> str | int:
    number = _number(text)
    return text if number is None else number


def _number(text: str) -> int | None:
    """A number of a form; None for other text, and for more digits than any form has: Python reads 4,300 at most."""
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _made(values: Mapping[str, Any]) -> LabelJudgement:
    try:
        return LabelJudgement.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise BadFeedback(f"{name} cannot be used ({first['msg']}); use what the form offers") from error
