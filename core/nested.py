"""Nested settings and other plain values, flattened and compared."""

from collections.abc import Mapping
from typing import Any

Change = list[Any]
"""The value on the first side and the value on the second; None where a side has none."""


def changed(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, Change]:
    """Name → both values, of the names whose values differ; in the order of the first, then of the second."""
    names = dict.fromkeys([*one, *two])
    return {name: [one.get(name), two.get(name)] for name in names if one.get(name) != two.get(name)}


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values under dotted names; an empty group is a value."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found
