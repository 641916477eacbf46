"""Flatten and compare nested settings and other plain values."""

from collections.abc import Mapping
from typing import Any

Change = list[Any]
"""The values in the first and in the second mapping; None if the name is missing there."""


def changed(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Change]:
    """Names whose values differ → both values; names of the first mapping first, in order."""
    names = dict.fromkeys([*first, *second])
    return {name: [first.get(name), second.get(name)] for name in names if first.get(name) != second.get(name)}


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values under dotted names; an empty group is kept as a value."""
    flattened: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            flattened |= flat(value, f"{prefix}{name}.")
        else:
            flattened[prefix + name] = value
    return flattened
