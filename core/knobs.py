"""What a knob accepts, and what the error says of a value that it does not accept.

A value is of exactly the knob's type, so that nothing means something else than it says: with pydantic's own rules,
`true` is the number 1, "15" is 15, `1` is true and `.inf` is a number.
"""

import difflib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from core.shown import shortened
from core.urls import hidden

LONGEST = 120
"""Characters of a wrong value in a message."""

LARGEST = 2**63 - 1
"""The largest whole number that seeds, tables and databases hold."""

NESTED = "problems"
"""Type, and key in the context, of an error that stands for several."""

_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
"""A number such as 1e-4, which YAML 1.1 reads as a text, because it wants a point: 1.0e-4."""

_NO_SCHEMA = {"default", "default_factory", "metadata", "config", "expected", "cls", "function", "serialization"}
"""Entries of a schema of pydantic that hold no schema for values."""

_EXPECTED = {
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "bool_type": "expected true or false",
    "string_type": "expected a text; quote it if it is one",
    "finite_number": "expected a finite number",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "dict_type": "expected a mapping of names to values",
    "model_type": "expected a mapping of knobs to values",
    "model_attributes_type": "expected a mapping of knobs to values",
    "missing": "is required",
}
"""Kind of problem → what was expected, where pydantic's own sentence speaks of Python."""


def exact(schema: CoreSchema) -> CoreSchema:
    """A schema in which numbers, truth values and texts are of exactly their types, in all its parts."""
    if schema["type"] == "function-before" and schema["function"]["function"] is _with_exponent:
        return schema  # it was made exact as a part of other settings
    changed = {name: value if name in _NO_SCHEMA else _inside(value) for name, value in schema.items()}
    match schema["type"]:
        case "int":
            above = {} if {"le", "lt"} & schema.keys() else {"le": LARGEST}
            below = {} if {"ge", "gt"} & schema.keys() else {"ge": -LARGEST}
            return {**changed, **above, **below, "strict": True}
        case "float":
            number: Any = {**changed, "strict": True}
            return core_schema.no_info_before_validator_function(_with_exponent, number)
        case "bool" | "str":
            return {**changed, "strict": True}
    return changed


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return exact(value) if isinstance(value.get("type"), str) else {k: _inside(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_inside, value)) if type(value) in (list, tuple) else value
    return value


def _with_exponent(value: object) -> object:
    return float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value


class Problem(NamedTuple):
    """What is wrong with one knob."""

    place: tuple[int | str, ...]
    """The name of the knob, in parts, below the settings that were read."""
    text: str

    def __str__(self) -> str:
        name = ".".join(map(str, self.place))
        return f"{name}: {self.text}" if name else self.text

    def inside(self, *place: int | str) -> "Problem":
        """The same, as a problem of the settings that have these settings at `place`."""
        return Problem((*place, *self.place), self.text)


def together(problems: Sequence[Problem]) -> PydanticCustomError:
    """The problems of a part, such as a plug-in, as the one error that a validator of pydantic may raise."""
    return PydanticCustomError(NESTED, "invalid knobs", {NESTED: list(problems)})


def taken_apart(error: PydanticCustomError) -> list[Problem]:
    """The problems that `together` has put into an error."""
    return list((error.context or {}).get(NESTED, []))


def all_problems(error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    """The full name of each wrong knob, what was expected, and what was given.

    Args:
        error: pydantic's error about the settings.
        model: the class of the settings, whose knobs are suggested for an unknown one.
    """
    for detail in error.errors():
        place = _named(detail["loc"])
        if detail["type"] == NESTED:
            yield from (problem.inside(*place) for problem in detail["ctx"][NESTED])
        else:
            yield Problem(place, _sentence(detail, model))


def _named(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """A place without the parts that pydantic adds for the members of a union: `float`, `function-before[…]`."""
    return tuple(part for part in loc if isinstance(part, int) or re.fullmatch(r"[^\[\]()]+", part))


def _sentence(detail: Any, model: type[BaseModel]) -> str:
    if detail["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(detail["loc"][-1]), _known(model), n=1)
        return "there is no such knob" + (f"; did you mean {close[0]!r}?" if close else "; see docs/params.md")
    said = _EXPECTED.get(detail["type"], detail["msg"].removeprefix("Value error, "))
    return said if detail["type"] == "missing" else f"{said} (got {given(detail['input'])})"


def with_secrets(value: object, place: tuple[int | str, ...] = ()) -> Iterator[Problem]:
    """The knobs whose value is an address with a password, a token or a key in it."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from with_secrets(inner, (*place, str(name)))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from with_secrets(inner, (*place, index))
    elif isinstance(value, str) and "://" in value and hidden(value) != value:
        yield Problem(place, f"the address {hidden(value)} holds a secret, which the records of the round would store")


def given(value: object) -> str:
    """A value as YAML has it, cut if it is long."""
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' * (value < 0)}.inf"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = f"{type(value).__name__} {value}"
    return shortened(text, LONGEST)


def _known(model: type[BaseModel]) -> list[str]:
    names = list(model.model_fields)
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names += _known(field.annotation)
    return names
