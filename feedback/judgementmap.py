"""How a map reads the judgement of a record: from a winner, from scores, or from an order of the answers."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from core.errors import BadFeedback
from core.yaml_text import text_of
from feedback.layouts import decoded, number, ranked
from feedback.paths import EACH, all_of, at
from feedback.unicode_forms import normalise
from feedback.votes import BEST_ONLY

Record = Mapping[str, Any]
Outcome = Literal["good", "bad", "tie", "tie_both_good", "tie_both_bad", "skip", "cannot_judge", "not_rankable"]

_THUMBS = {"good": 1, "bad": 0}
_TIES = ("tie", "tie_both_good", "tie_both_bad")
_ABSTENTIONS = ("skip", "cannot_judge", "not_rankable")


def with_text_keys(values: object) -> object:
    """Keys as they are written in YAML, also if they are numbers, booleans or nothing."""
    if not isinstance(values, Mapping):
        return values
    named = {text_of(key): value for key, value in values.items()}
    if len(named) != len(values):
        raise ValueError(f"two keys are written alike in {values}; remove one of the two")
    return named


def as_paths(value: object) -> object:
    """A single path may be written without brackets."""
    return (value,) if isinstance(value, str) else value


Paths = Annotated[tuple[str, ...], BeforeValidator(as_paths)]
Position = Annotated[int, Field(strict=True)]  # `yes` in YAML is true, which is not the second answer
Values = Annotated[dict[str, Position | tuple[Position, float] | Outcome], BeforeValidator(with_text_keys)]


class Part(BaseModel):
    """A part of a map."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Numbers(Part):
    """A number between two answers: which one is better depends on the side of the middle that it is on."""

    middle: float
    """The number that is a tie, such as 0, 0.5 or 4."""
    above: Literal[0, 1]
    """The better answer, by its position from 0, if the number is above the middle."""
    scale: tuple[float, float] | None = None
    """The lowest and the highest possible number. With it, the distance from the middle is the strength."""


class Naming(Part):
    """How the values of a column name answers."""

    path: str
    """Path of the value."""
    values: Values = Field(default_factory=dict)
    """Value → position of an answer from 0, `[position, strength]`, or `tie`, `tie_both_bad`, `skip`, …

    With one answer: `good` or `bad`. Booleans are written `true` and `false`, a missing value `null`.
    """
    positions_from: Literal[0, 1] | None = None
    """The value is itself a position, counted from 0 or from 1."""
    equals: Paths = ()
    """The value equals the value at one of these paths, one per answer: texts of the answers, or names of models."""

    def position(self, row: Record, value: object, count: int) -> int | str | tuple[int, float]:
        """The meaning of a value for `count` answers.

        Raises:
            BadFeedback: it has none.
        """
        if text_of(value) in self.values:
            return self.values[text_of(value)]
        if self.equals:
            return self._equal(row, value)
        if self.positions_from is None or value is None:
            raise BadFeedback(f"{self.path} is {value!r}, expected one of {', '.join(self.values)}, as in the map")
        position = number({self.path: value}, self.path)
        if position is None or position - self.positions_from not in range(count):
            last = count - 1 + self.positions_from
            raise BadFeedback(f"{self.path} is {value!r}, expected a position from {self.positions_from} to {last}")
        return int(position) - self.positions_from

    def _equal(self, row: Record, value: object) -> int:
        wanted = normalise(text_of(value))
        named = [text_of(other) for other in all_of(row, self.equals)]
        positions = [position for position, other in enumerate(named) if normalise(other) == wanted]
        if len(positions) != 1:
            raise BadFeedback(
                f"{self.path} is {text_of(value)[:60]!r}, which {len(positions)} of the values at "
                f"{', '.join(self.equals)} are, expected one of them, or a value in `values` of the map"
            )
        return positions[0]


class Winner(Naming):
    """Where a record names the better answer."""

    numbers: Numbers | None = None
    """The value is a number between the two answers, such as a win rate or a rating from -3 to 3."""

    @model_validator(mode="after")
    def _has_meanings(self) -> "Winner":
        if not self.values and not self.equals and self.positions_from is None and self.numbers is None:
            raise ValueError("add `values`, `positions_from`, `equals` or `numbers`: what a value means")
        return self

    def judgement(self, row: Record, count: int) -> dict[str, Any]:
        """The judgement of `count` answers.

        Raises:
            BadFeedback: the value has no meaning in the map, or one that does not fit the number of answers.
        """
        value = at(row, self.path)
        if self.numbers and text_of(value) not in self.values:
            return self._by_number(self.numbers, number({self.path: value}, self.path))
        meaning = self.position(row, value, count)
        position, strength = meaning if isinstance(meaning, tuple) else (meaning, None)
        if isinstance(position, str):
            thumb = {"scores": [_THUMBS[position]], "scale_min": 0, "scale_max": 1} if position in _THUMBS else None
            return thumb or {"outcome": position}
        if position >= count or count < 2:
            raise BadFeedback(
                f"{self.path} is {value!r}, answer {position} in the map, expected one of the {count} answers"
            )
        return {**best_of(position, count), **self._strength(strength)}

    def _strength(self, strength: float | None) -> dict[str, float]:
        if strength is None:
            return {}
        most = max(meaning[1] for meaning in self.values.values() if isinstance(meaning, tuple))
        return {"strength": strength, "strength_max": most}

    def _by_number(self, given: Numbers, value: float | None) -> dict[str, Any]:
        if value is None:
            raise BadFeedback(f"{self.path} is missing, expected a number, or `null: skip` in `values` of the map")
        if given.scale and not given.scale[0] <= value <= given.scale[1]:
            raise BadFeedback(
                f"{self.path} is {value:g}, expected a number from {given.scale[0]:g} to {given.scale[1]:g}"
            )
        if value == given.middle:
            return {"outcome": "tie"}
        position = given.above if value > given.middle else 1 - given.above
        most = max(abs(bound - given.middle) for bound in given.scale) if given.scale else None
        strength = {"strength": abs(value - given.middle), "strength_max": most} if most else {}
        return {**best_of(position, 2), **strength}

    def wrong_meanings(self, count: int | None) -> list[str]:
        """Values whose meaning does not fit the number of answers; None is any number of several."""
        return [f"{value}: {meaning}" for value, meaning in self.values.items() if not _fits(meaning, count)]


class Scores(Part):
    """Where a record scores or ranks each of its answers."""

    paths: Paths = Field(min_length=1)
    """Paths of the scores, one per answer, or one with `[*]`."""
    best: Literal["highest", "lowest"]
    """Which score is the best. It has no default: a direction is never guessed."""
    scale: tuple[float, float] | None = None
    """Lowest and highest possible score; needed for the score of a single answer."""

    def judgement(self, row: Record, count: int) -> dict[str, Any]:
        """Ranks from scores; the scores are kept as they are if the highest is the best.

        Raises:
            BadFeedback: there is not one number per answer.
        """
        name = ", ".join(self.paths)
        scores = [number({name: value}, name) for value in all_of(row, self.paths)]
        if len(scores) != count:
            raise BadFeedback(f"{name} has {len(scores)} values, expected {count}, one per answer")
        low, high = self.scale or (None, None)
        if count == 1:
            return {"scores": [self._turned(scores[0])], "scale_min": low, "scale_max": high}
        if sum(score is not None for score in scores) < 2:
            return {"outcome": "skip"}
        if self.best == "lowest":
            return {"ranks": ranked(scores)}
        ranks = ranked([None if score is None else -score for score in scores])
        return {"ranks": ranks, "scores": scores, "scale_min": low, "scale_max": high}

    def _turned(self, score: float | None) -> float | None:
        low, high = self.scale or (0, 0)
        return low + high - score if self.best == "lowest" and score is not None else score


class Order(Naming):
    """Where a record lists its answers by rank: `[2, 0, 1]`, `["B", "A", "C"]`, or a text such as `B > A = C`."""

    best: Literal["first", "last"]
    """Whether the list begins or ends with the best. It has no default: a direction is never guessed."""

    def judgement(self, row: Record, count: int) -> dict[str, Any]:
        """Ranks by the position in the list; answers that share an inner list are a tie, others are not ranked.

        Raises:
            BadFeedback: it is not a list or such a text, or an element names no answer, or one twice.
        """
        ranks: list[int | None] = [None] * count
        for rank, group in enumerate(self._groups(at(row, self.path)), start=1):
            for value in group:
                position = self.position(row, value, count)
                if not isinstance(position, int) or position >= count or ranks[position] is not None:
                    raise BadFeedback(f"{self.path}: {value!r} names no answer or one twice, expected each answer once")
                ranks[position] = rank
        return {"ranks": ranks} if sum(rank is not None for rank in ranks) > 1 else {"outcome": "skip"}

    def _groups(self, value: object) -> list[list[object]]:
        value = decoded(value)
        if isinstance(value, str):
            groups: list[Any] = [[name.strip() for name in group.split("=")] for group in value.split(">")]
        elif isinstance(value, list):
            groups = [decoded(element) for element in value]
        else:
            raise BadFeedback(f"{self.path} is {value!r}, expected a list, or a text such as `B > A = C`")
        grouped = [group if isinstance(group, list) else [group] for group in groups]
        return grouped if self.best == "first" else grouped[::-1]


class JudgementMap(Part):
    """Where a record has the judgement by one criterion: at most one of `winner`, `scores` and `order`."""

    winner: Winner | None = None
    """Names the better of several answers, or states whether a single one is good."""
    scores: Scores | None = None
    """Scores or ranks of the answers."""
    order: Order | Literal["best_first", "worst_first"] | None = None
    """The answers by rank; `best_first` and `worst_first` if they are listed by rank themselves."""

    @property
    def reader(self) -> Winner | Scores | Order | str | None:
        """The part that is set."""
        return self.winner or self.scores or self.order

    def judgement(self, row: Record, count: int) -> dict[str, Any]:
        """The judgement of `count` answers, without its criterion; empty if nothing judges.

        Raises:
            BadFeedback: a value has no meaning in the map.
        """
        reader = self.reader
        if self.order and count < 2:
            raise BadFeedback("the record has one answer, expected several that are in an order")
        if isinstance(reader, str):
            ranks = list(range(1, count + 1))
            return {"ranks": ranks if reader == "best_first" else ranks[::-1]}
        return reader.judgement(row, count) if reader else {}

    def problem(self, count: int | None) -> str | None:
        """Why it does not fit the number of answers, None for any number; None if it does."""
        if sum(part is not None for part in (self.winner, self.scores, self.order)) > 1:
            return "two of winner, scores and order are set; keep the one that decides"
        if self.winner and (wrong := self.winner.wrong_meanings(count)):
            return f"winner.values has {', '.join(wrong)}, expected {_expected(count)}, a tie, or an abstention"
        if self.winner and self.winner.numbers and count != 2:
            return "winner.numbers is for two answers; use scores for any other number"
        if self.scores and count and not any(EACH in path for path in self.scores.paths):
            if len(self.scores.paths) != count:
                return f"{len(self.scores.paths)} scores.paths, expected {count}, one per answer"
            if count == 1 and self.scores.scale is None:
                return "scores.scale is missing; add it, such as [1, 5]"
        return "order needs several answers" if self.order and count == 1 else None


def best_of(position: int, count: int) -> dict[str, Any]:
    """The judgement that one of the answers is better than each other one; the others are not compared."""
    ranks = [1 if other == position else 2 for other in range(count)]
    return {"ranks": ranks, **({"tags": [BEST_ONLY]} if count > 2 else {})}


def _fits(meaning: int | str | tuple[int, float], count: int | None) -> bool:
    position = meaning[0] if isinstance(meaning, tuple) else meaning
    if isinstance(position, int):
        return position >= 0 and (count is None or (count > 1 and position < count))
    return position in _ABSTENTIONS or position in (_THUMBS if count == 1 else _TIES)


def _expected(count: int | None) -> str:
    if count == 1:
        return "good or bad"
    return "positions from 0" if count is None else " or ".join(map(str, range(count)))


def unfit(judging: Sequence[JudgementMap], count: int | None) -> str | None:
    """The first problem of several judging; None if all fit."""
    return next((problem for part in judging if (problem := part.problem(count))), None)
