"""A metric is declared once, where it is measured: its name, step, unit, direction and definition.

A declaration is the metric's name, a `str`: it is a key of what is measured. Whoever reads the metric refers to
the declaration, so that a metric that is renamed or removed is found by the type checker. docs/metrics.md is made of
them (`make docs`).
"""

import re
from collections.abc import Iterator
from types import ModuleType
from typing import Self

_PLACE = re.compile(r"<\w+>")


class Metric(str):
    """The name of a metric within its step, and what it means.

    A name with a part in angle brackets stands for many: `criterion_<name>`. See `of`.
    """

    step: str
    unit: str
    direction: str
    """Which way is good."""
    definition: str
    ends: tuple[str, ...]
    """What is reported with it: `_low` and `_high` of an interval, `_p`, `_alarm`."""
    rare: bool
    """Whether a round may lack it."""

    def __new__(
        cls,
        name: str,
        step: str,
        unit: str,
        direction: str,
        definition: str,
        *,
        ends: tuple[str, ...] = (),
        rare: bool = False,
    ) -> Self:
        """Declare a metric."""
        made = super().__new__(cls, name)
        made.step, made.unit, made.direction, made.definition = step, unit, direction, definition
        made.ends, made.rare = ends, rare
        return made

    @property
    def full(self) -> str:
        """The name with its step, as the record of a round, MLflow and the gates have it: `evaluate/win_rate`."""
        return f"{self.step}/{self}"

    @property
    def prefix(self) -> str:
        """Of a name that stands for many: what comes before the part in angle brackets, without the step."""
        return _PLACE.split(self)[0]

    def of(self, label: str) -> str:
        """The name of one of many, within its step. `label` must be fit for a name."""
        return _PLACE.sub(label, self)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Copies and pickles are plain names."""
        return str, (str(self),)

    def entry(self) -> str:
        """The metric as a line of Markdown, for docs/metrics.md."""
        names = ", ".join(f"`{name}`" for name in (self.full, *self.ends))
        return f"- {names}{' †' if self.rare else ''} ({self.unit}; {self.direction}). {self.definition}"


INTERVAL = ("_low", "_high")
"""The ends of a 95 % interval."""


def declared(module: ModuleType) -> Iterator[Metric]:
    """The metrics that a module names at its top level, in its order."""
    yield from (thing for thing in vars(module).values() if isinstance(thing, Metric))
