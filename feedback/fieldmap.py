"""A map from the columns of a table to the fields of a record, for files whose columns are no known form."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from core.errors import BadFeedback
from core.settings import parse, read
from feedback.layouts import decoded, number, spoken

Record = Mapping[str, Any]
Outcome = Literal["good", "bad", "tie", "tie_both_good", "tie_both_bad", "skip", "cannot_judge", "not_rankable"]

_STEP = re.compile(r"[^.\[\]]+")
_THUMBS = {"good": 1, "bad": 0}


def as_text(value: object) -> str:
    """A value as it is written in a map: `true`, `1`, `left`."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def with_text_keys(values: object) -> object:
    """YAML reads the keys 1 and true as a number and a boolean."""
    return {as_text(key): value for key, value in values.items()} if isinstance(values, Mapping) else values


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Winner(_Part):
    """Where a record names the better answer."""

    path: str
    """Path of the value."""
    values: Annotated[dict[str, int | Outcome], BeforeValidator(with_text_keys)] = Field(min_length=1)
    """Value → the better answer by its position in `answers`, from 0; or `tie`, `tie_both_bad`, `skip`, …

    With one answer: `good` or `bad`. Booleans are written `true` and `false`.
    """


class Scores(_Part):
    """Where a record scores its answers."""

    paths: tuple[str, ...] = Field(min_length=1)
    """Paths of the scores, one per answer."""
    best: Literal["highest", "lowest"]
    """Which score is the best. It has no default: a direction is never guessed."""
    scale: tuple[float, float] | None = None
    """Lowest and highest possible score; needed for the score of a single answer."""


class FieldMap(_Part):
    """Paths are names of columns, or lead into them: `question.text`, `outputs[0].content`, also through JSON text."""

    prompt: str | None = None
    """Path of the prompt, a text or a list of turns; or state one prompt for all records in `constant`."""
    answers: tuple[str, ...] = Field(min_length=1)
    """Paths of the answers."""
    winner: Winner | None = None
    """Names the better of several answers, or says whether a single one is good."""
    scores: Scores | None = None
    """Scores of the answers."""
    criterion: str = "overall"
    """The criterion of the judgement."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Field of the canonical form → path: `annotator_id: worker`."""
    constant: dict[str, JsonValue] = Field(default_factory=dict)
    """Field of the canonical form → its value in all records: `licence: MIT`."""

    @model_validator(mode="after")
    def _is_complete(self) -> "FieldMap":
        if self.prompt is None and "prompt" not in self.constant:
            raise ValueError("prompt is missing; name its path, or state one for all records in `constant`")
        if self.winner and self.scores:
            raise ValueError("winner and scores are both set; keep the one that decides")
        if len(self.answers) > 1 and not (self.winner or self.scores):
            raise ValueError("several answers without winner or scores; add one of them")
        if self.winner and len(self.answers) > 2:
            raise ValueError("winner leaves the order of the other answers open; use scores for more than two answers")
        if self.winner and (wrong := self._wrong_meanings(self.winner)):
            expected = "0 or 1" if len(self.answers) == 2 else "good or bad"
            raise ValueError(f"winner.values has {', '.join(wrong)}, expected {expected}, a tie, or an abstention")
        if self.scores and len(self.scores.paths) != len(self.answers):
            raise ValueError(f"{len(self.scores.paths)} scores.paths, expected {len(self.answers)}, one per answer")
        if self.scores and len(self.answers) == 1 and self.scores.scale is None:
            raise ValueError("scores.scale is missing; add it, such as [1, 5]")
        return self

    def _wrong_meanings(self, winner: Winner) -> list[str]:
        """Values whose meaning does not fit the number of answers."""
        ties = () if len(self.answers) == 1 else ("tie", "tie_both_good", "tie_both_bad")
        named = (0, 1) if len(self.answers) == 2 else ("good", "bad")
        known = (*named, *ties, "skip", "cannot_judge", "not_rankable")
        return [f"{value}: {meaning}" for value, meaning in winner.values.items() if meaning not in known]

    def record(self, row: Record) -> dict[str, Any]:
        """A row in the canonical form; columns that are not read as texts are kept in `extra`.

        Raises:
            BadFeedback: a path leads nowhere, or a value has no meaning in the map.
        """
        answers = [spoken(_required(row, path)) for path in self.answers]
        kind, judgement = self._judgement(row)
        read = {*self.answers, self.prompt}
        stated = {name: at(row, path) for name, path in self.fields.items()}
        prompt = {"prompt": spoken(_required(row, self.prompt))} if self.prompt else {}
        return {
            "kind": kind,
            **prompt,
            "responses": answers,
            "judgements": [{"criterion": self.criterion, **judgement}] if judgement else [],
            "extra": {name: value for name, value in row.items() if name not in read},
            **stated,
            **self.constant,
        }

    def _judgement(self, row: Record) -> tuple[str, dict[str, Any]]:
        """The kind of the record, and its judgement."""
        several = "comparison" if len(self.answers) == 2 else "ranking"
        if self.scores:
            scores = [number({path: at(row, path)}, path) for path in self.scores.paths]
            return ("rating" if len(scores) == 1 else several), _by_scores(scores, self.scores)
        if self.winner is None:
            return "demonstration", {}
        verdict = _meaning(self.winner, at(row, self.winner.path))
        if len(self.answers) == 1:
            return "binary", _thumb(verdict)
        return several, self._won(verdict)

    def _won(self, verdict: int | str) -> dict[str, Any]:
        if isinstance(verdict, str):
            return {"outcome": verdict}
        return {"ranks": [1 if position == verdict else 2 for position in range(len(self.answers))]}


def at(row: Record, path: str) -> Any:
    """The value that a path leads to; None if there is none. A column whose name is the whole path comes first."""
    if path in row:
        return decoded(row[path])
    value: Any = row
    for step in _STEP.findall(path):
        value = decoded(value)
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return decoded(value)


def _required(row: Record, path: str) -> Any:
    value = at(row, path)
    if value is None:
        raise BadFeedback(f"{path} is missing, expected a value at this path of the map")
    return value


def _meaning(winner: Winner, value: object) -> int | str:
    if as_text(value) not in winner.values:
        raise BadFeedback(f"{winner.path} is {value!r}, expected one of {', '.join(winner.values)}, as in the map")
    return winner.values[as_text(value)]


def _thumb(verdict: int | str) -> dict[str, Any]:
    if verdict in _THUMBS:
        return {"scores": [_THUMBS[str(verdict)]], "scale_min": 0, "scale_max": 1}
    return {"outcome": verdict}


def _by_scores(scores: list[float | None], given: Scores) -> dict[str, Any]:
    """Ranks from scores; the scores are kept as they are if the highest is the best."""
    low, high = given.scale or (None, None)
    sign = -1 if given.best == "highest" else 1
    order = sorted({sign * score for score in scores if score is not None})
    ranks = [None if score is None else order.index(sign * score) + 1 for score in scores]
    if len(scores) == 1:
        score = scores[0]
        turned = score if given.best == "highest" or score is None else (low or 0) + (high or 0) - score
        return {"scores": [turned], "scale_min": low, "scale_max": high}
    if sum(rank is not None for rank in ranks) < 2:
        return {"outcome": "skip"}
    return {"ranks": ranks, **({"scores": scores, "scale_min": low, "scale_max": high} if sign < 0 else {})}


def load(path: Path) -> FieldMap:
    """The map in a YAML file.

    Raises:
        BadParams: the file is missing, or not a map.
    """
    return parse(FieldMap, read(path), str(path))


def template(columns: Sequence[str]) -> str:
    """A map to complete, as YAML, for a file with these columns."""
    return (
        f"# The columns are: {', '.join(columns)}. A path may lead into them: question.text, outputs[0].content\n"
        "prompt: PATH\n"
        "answers: [PATH, PATH]\n"
        "winner: {path: PATH, values: {a: 0, b: 1, tie: tie, both_bad: tie_both_bad}}  # 0 is the first answer\n"
        "# scores: {paths: [PATH, PATH], best: highest}  # or lowest; instead of winner\n"
        "# fields: {annotator_id: PATH, created_at: PATH}\n"
        "# constant: {licence: MIT}\n"
    )
