"""JSON from outside. A key that is written twice in one object means two things: it is found, and no value is chosen.

Python takes the last value, other tools the first: what a person reads would not be what is stored.
"""

import json
from typing import Any, NamedTuple


class RepeatedKey(ValueError):
    """An object has a key twice; the message is the key."""


class Decoded(NamedTuple):
    """A JSON value at the beginning of a text."""

    value: Any
    end: int
    """Where the text goes on."""
    repeated: str | None
    """A key that an object in it has twice."""


def loads(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        RepeatedKey: an object in it, at any level, has a key twice.
        ValueError: the text is not JSON.
        RecursionError: it is nested too deeply.
    """
    return _DECODER.decode(text)


def decode(text: str, start: int) -> Decoded:
    """The JSON value that begins at a place in a text.

    Raises:
        ValueError: there is none.
        RecursionError: it is nested too deeply.
    """
    repeated: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            repeated.append(_repeated(pairs))
        return value

    value, end = json.JSONDecoder(object_pairs_hook=once).raw_decode(text, start)
    return Decoded(value, end, repeated[0] if repeated else None)


def problem(key: str) -> str:
    """Why a record with a repeated key is refused."""
    return f"the key {key[:60]!r} is written twice in one object, expected each key once; leave out the wrong one"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise RepeatedKey(_repeated(pairs))
    return value


def _repeated(pairs: list[tuple[str, Any]]) -> str:
    """The first key that comes a second time."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    raise ValueError("no key is written twice")


_DECODER = json.JSONDecoder(object_pairs_hook=_once)
