"""Paths into a record: `question.text`, `outputs[0].content`, `turns[-1]`, `turns[:-1]`, `candidates[*].text`.

`responses[#]` are the names of the values of an object.

A path leads through objects, lists, and both written as JSON text. The value at its end is left as it is: a text can
be an answer that happens to be JSON.
"""

import re
from collections.abc import Mapping
from typing import Any

from feedback.layouts import decoded

EACH = "[*]"
"""The part of a path that stands for every element of a list, or every value of an object."""

NAMES = "[#]"
"""The end of a path that stands for the names of the values of an object."""

_STEP = re.compile(r"[^.\[\]]+")
_SLICE = re.compile(r"(-?\d*):(-?\d*)")


def at(row: Mapping[str, Any], path: str) -> Any:
    """The value that a path without `[*]` leads to; None if there is none.

    A column whose name is the whole path comes first.
    """
    if path in row:
        return row[path]
    value: Any = row
    for step in _STEP.findall(path):
        value = _one_step(decoded(value), step)
    return value


def each(row: Mapping[str, Any], path: str) -> list[Any]:
    """The values that a path leads to: one, or as many as a list in it has elements."""
    if path.endswith(NAMES):
        named = decoded(at(row, path.removesuffix(NAMES)))
        return list(named) if isinstance(named, Mapping) else []
    head, star, tail = path.partition(EACH)
    if not star:
        return [at(row, path)]
    values = decoded(at(row, head))
    elements = list(values.values()) if isinstance(values, Mapping) else values if isinstance(values, list) else []
    return [value for element in elements for value in each({"element": element}, f"element{tail}")]


def all_of(row: Mapping[str, Any], paths: tuple[str, ...]) -> list[Any]:
    """The values of all paths, in order."""
    return [value for path in paths for value in each(row, path)]


def _one_step(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(step)
    if not isinstance(value, list):
        return None
    if part := _SLICE.fullmatch(step):
        start, stop = (int(bound) if bound else None for bound in part.groups())
        return value[start:stop]
    position = int(step) if re.fullmatch(r"-?\d+", step) else len(value)
    return value[position] if -len(value) <= position < len(value) else None
