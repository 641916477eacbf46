"""The reasons why records cannot be used: as sentences, and counted by kind with an example of each."""

import re
from collections import Counter

from pydantic import ValidationError

from feedback.schema import RejectedRecord

REASONS = {
    "extra_forbidden": "is not a field of the canonical form; put it into `extra`",
    "missing": "is missing, expected a value",
    "string_too_short": "is empty, expected text",
    "string_type": "is not a string, expected text",
    "string_unicode": "contains a lone surrogate, expected characters of Unicode",
    "too_short": "is empty, expected at least one entry",
}
"""pydantic's type of error → the reason, without the field."""

_VARIABLE = re.compile(r"\d+|'[^']*'|\"[^\"]*\"")
"""Parts of a reason that differ between records with the same fault."""


def reason_of(error: ValidationError, path: str = "") -> str:
    """The first error, as a sentence that begins with the field."""
    first = error.errors(include_url=False)[0]
    for step in first["loc"]:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    if first["type"] == "value_error":
        return f"{path}: {first['ctx']['error']}" if path else str(first["ctx"]["error"])
    return f"{path} {REASONS.get(first['type'], 'is invalid, ' + first['msg'].replace('Input should be', 'expected'))}"


class Faults:
    """Counts rejected records by kind of fault; only one example of each kind is kept in memory."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def add(self, rejected: RejectedRecord) -> None:
        """Count a record."""
        kind = _VARIABLE.sub("…", rejected.reason)
        self._counts[kind] += 1
        self._examples.setdefault(kind, f"{rejected.where}: {rejected.reason}")

    @property
    def total(self) -> int:
        """Number of rejected records."""
        return self._counts.total()

    def lines(self) -> list[str]:
        """One line per kind of fault, the most frequent first: the number of records, and the first of them."""
        return [f"{count} × {self._examples[kind]}" for kind, count in self._counts.most_common()]
