"""A map from the columns of a table to the fields of a record, for files whose columns are no known form."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue, model_validator

from core.errors import BadFeedback, BadParams
from core.settings import parse, read
from core.yaml_text import text_of
from feedback.judgementmap import JudgementMap, Part, Paths, unfit
from feedback.layouts import decoded, spoken
from feedback.paths import EACH, all_of, at

Record = Mapping[str, Any]

OPEN = "TODO"
"""Placeholder in a guessed map (`feedback.guesses`) for a value that a person must fill in."""


class Turns(Part):
    """Names of the keys of a turn that are not `role` and `content`, or `from` and `value`."""

    role: str
    """Key of the speaker."""
    content: str
    """Key of the text."""
    speakers: dict[str, Literal["user", "assistant", "system"]] = Field(min_length=1)
    """Name of a speaker → role."""

    def read(self, turns: Sequence[Record]) -> list[dict[str, Any]]:
        """Turns as `{role, content}`.

        Raises:
            BadFeedback: a speaker is not in the map.
        """
        return [self._turn(turn) for turn in turns]

    def _turn(self, turn: Record) -> dict[str, Any]:
        speaker = text_of(turn.get(self.role))
        if speaker not in self.speakers:
            raise BadFeedback(f"{self.role} is {speaker!r}, expected one of {', '.join(self.speakers)}, as in the map")
        others = {name: value for name, value in turn.items() if name not in (self.role, self.content)}
        return {**others, "role": self.speakers[speaker], "content": turn.get(self.content)}


class FieldMap(JudgementMap):
    """Paths are names of columns, or lead into them (`feedback.paths`).

    Without `answers`, the form of the records is recognised, and only `fields` and `constant` are added.
    """

    prompt: Paths = ()
    """Path of the prompt, a text or a list of turns; several paths are texts that are joined by a blank line."""
    system: str | None = None
    """Path of a system prompt, above the prompt."""
    answers: Paths = ()
    """Paths of the answers. `candidates[*].text` stands for any number of answers."""
    models: Paths = ()
    """Paths of the names of the models that gave the answers, one per answer."""
    turns: Turns | None = None
    """Names of the keys of a turn, where they are others than usual."""
    criterion: str = "overall"
    """The criterion of the judgement."""
    criterion_path: str | None = None
    """Path of the criterion, where records differ in it."""
    criteria: dict[str, JudgementMap] = Field(default_factory=dict)
    """Further criteria → where their judgement is."""
    correction: bool = False
    """The second of two answers is a corrected version of the first."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Field of the canonical form → path: `annotator_id: worker`."""
    constant: dict[str, JsonValue] = Field(default_factory=dict)
    """Field of the canonical form → its value in all records: `licence: MIT`."""

    @model_validator(mode="after")
    def _is_complete(self) -> "FieldMap":
        judging = [self, *self.criteria.values()]
        if not self.answers:
            if self.prompt or self.system or self.models or any(part.reader for part in judging):
                raise ValueError("answers is missing; name their paths")
            if not self.fields and not self.constant:
                raise ValueError("the map is empty; add answers, or fields or constant for records of a known form")
            return self
        if not self.prompt and "prompt" not in self.constant:
            raise ValueError("prompt is missing; name its path, or state one for all records in `constant`")
        if self.correction and self._count != 2:
            raise ValueError("correction needs two answers: the original and the corrected one")
        if self._count != 1 and not self.correction and not any(part.reader for part in judging):
            raise ValueError("several answers without winner or scores; add one of them, or order")
        if problem := unfit(judging, self._count):
            raise ValueError(problem)
        return self

    @property
    def _count(self) -> int | None:
        """The number of answers; None if it differs between records."""
        return None if any(EACH in path for path in self.answers) else len(self.answers)

    def record(self, row: Record) -> dict[str, Any]:
        """A row in the canonical form; columns that are not read as texts are kept in `extra`.

        Raises:
            BadFeedback: a path leads nowhere, or a value has no meaning in the map.
        """
        stated = {name: value for name, path in self.fields.items() if (value := at(row, path)) is not None}
        if not self.answers:
            return {**row, **stated, **self.constant}
        answers = self._answers(row)
        judgements = self._judgements(row, len(answers))
        read = self._read()
        return {
            "kind": self._kind(len(answers)),
            **self._prompt(row),
            "responses": answers,
            "judgements": judgements,
            "extra": {name: value for name, value in row.items() if name not in read},
            **stated,
            **self.constant,
        }

    def _read(self) -> set[str]:
        """Columns of which the event holds all: not those that are joined, or whose turns have other keys."""
        joined = self.prompt if len(self.prompt) > 1 else ()
        return set() if self.turns else {*self.answers, *self.prompt, self.system or ""} - {*joined}

    def _prompt(self, row: Record) -> dict[str, Any]:
        if not self.prompt:
            return {}
        system = at(row, self.system) if self.system else None
        prompt = self._turns(_required(row, self.prompt[0])) if len(self.prompt) == 1 else self._joined(row)
        if system:
            above = [{"role": "system", "content": system}]
            prompt = above + (prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}])
        return {"prompt": prompt}

    def _joined(self, row: Record) -> str:
        texts = [at(row, path) for path in self.prompt]
        if wrong := next((text for text in texts if text is not None and not isinstance(text, str)), None):
            raise BadFeedback(f"{', '.join(self.prompt)}: {wrong!r} is not a text, expected texts to join")
        return "\n\n".join(text for text in texts if text and text.strip())

    def _answers(self, row: Record) -> list[Any]:
        answers = [self._turns(answer) for path in self.answers for answer in self._at_each(row, path)]
        models = all_of(row, self.models)
        if self.models and len(models) != len(answers):
            raise BadFeedback(f"{', '.join(self.models)}: {len(models)} names, expected {len(answers)}, one per answer")
        named: list[Any] = [
            {"messages": answer, "model": model} for answer, model in zip(answers, models, strict=False)
        ] or answers
        if self.correction:
            edited = named[1] if self.models else {"messages": named[1]}
            named[1] = {**edited, "origin": "human_edit", "parent_ix": 0}
        return named

    def _at_each(self, row: Record, path: str) -> list[Any]:
        if EACH not in path:
            return [_required(row, path)]
        answers = all_of(row, (path,))
        if not answers or None in answers:
            raise BadFeedback(f"{path} is missing, expected at least one answer at this path of the map")
        return answers

    def _turns(self, value: Any) -> Any:
        """A text, or turns, which may be written as JSON."""
        turns = decoded(value)
        if not isinstance(turns, list) or not all(isinstance(turn, Mapping) for turn in turns):
            return value
        return spoken(self.turns.read(turns) if self.turns else turns)

    def _kind(self, count: int) -> str:
        judging = [self, *self.criteria.values()]
        if self.correction:
            return "correction"
        if not any(part.reader for part in judging):
            return "demonstration"
        if count == 1:
            return "rating" if any(part.scores for part in judging) else "binary"
        return "comparison" if count == 2 else "ranking"

    def _judgements(self, row: Record, count: int) -> list[dict[str, Any]]:
        criterion = str(_required(row, self.criterion_path)) if self.criterion_path else self.criterion
        judging: dict[str, JudgementMap] = {criterion: self, **self.criteria}
        return [{"criterion": name, **one.judgement(row, count)} for name, one in judging.items() if one.reader]


def _required(row: Record, path: str) -> Any:
    value = at(row, path)
    if value is None:
        raise BadFeedback(f"{path} is missing, expected a value at this path of the map")
    if isinstance(value, list) and value and all(isinstance(element, str) for element in value):
        raise BadFeedback(f"{path} is a list of texts, expected one text or turns; write {path}[*] or {path}[0]")
    return value


def load(path: Path) -> FieldMap:
    """The map in a YAML file.

    Raises:
        BadParams: the file is missing, not a map, or not complete.
    """
    values = read(path)
    if unfinished := list(_open(values, "")):
        raise BadParams(f"{path}: {', '.join(unfinished)} is {OPEN}; write what it is, for every {OPEN}")
    return parse(FieldMap, values, str(path))


def _open(value: object, name: str) -> Iterator[str]:
    """The names of the values that are still open."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _open(inner, f"{name}.{text_of(key)}" if name else text_of(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _open(inner, name)
    elif value == OPEN:
        yield name
