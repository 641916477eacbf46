"""Metric declarations. A metric is declared once, where it is measured: name, step, unit, direction and definition.

A declaration is a `str`, the name of the metric, and is used as a dictionary key. Readers of a metric refer to the
declaration, so the type checker finds uses of a renamed or removed metric. docs/metrics.md is generated from the
declarations (`make docs`).
"""

import re
from collections.abc import Iterator
from types import ModuleType
from typing import Self

INTERVAL = ("_low", "_high")
"""Suffixes of the bounds of a 95 % confidence interval."""

_PLACEHOLDER = re.compile(r"<\w+>")


class Metric(str):
    """The name of a metric within its step, with its definition.

    A name with a placeholder in angle brackets, such as `criterion_<name>`, declares a family of metrics; see `of`.
    """

    step: str
    unit: str
    direction: str
    """Whether higher or lower values are better."""
    definition: str
    ends: tuple[str, ...]
    """Suffixes of accompanying metrics: `_low` and `_high` of a confidence interval, `_p`, `_alarm`."""
    rare: bool
    """True if some rounds do not report the metric."""

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
        metric = super().__new__(cls, name)
        metric.step, metric.unit, metric.direction, metric.definition = step, unit, direction, definition
        metric.ends, metric.rare = ends, rare
        return metric

    @property
    def full(self) -> str:
        """The name with its step, as used in round records, MLflow and gates: `evaluate/win_rate`."""
        return f"{self.step}/{self}"

    @property
    def names(self) -> tuple[str, ...]:
        """The name within the step, and those of the accompanying metrics."""
        return (str(self), *(f"{self}{end}" for end in self.ends))

    @property
    def interval(self) -> tuple[str, str, str]:
        """The full names of the estimate and of the bounds of its confidence interval: `evaluate/win_rate`, …

        Raises:
            ValueError: it is declared without an interval.
        """
        if not {*INTERVAL} <= {*self.ends}:
            raise ValueError(f"{self.full} is declared without an interval")
        low, high = (f"{self.full}{end}" for end in INTERVAL)
        return self.full, low, high

    @property
    def prefix(self) -> str:
        """The part of a family's name before the placeholder, without the step."""
        return _PLACEHOLDER.split(self)[0]

    def of(self, label: str) -> str:
        """The name of one member of a family: the placeholder replaced with `label`, which must be valid in a name."""
        return _PLACEHOLDER.sub(label, self)

    def includes(self, name: str) -> bool:
        """Whether a name within the step is this metric's, or that of a member of the family."""
        return name == self or (self.prefix != self and name.startswith(self.prefix))

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Copies and pickles are plain strings."""
        return str, (str(self),)

    def entry(self) -> str:
        """The metric as a line of Markdown, for docs/metrics.md."""
        names = ", ".join(f"`{name}`" for name in (self.full, *self.ends))
        return f"- {names}{' †' if self.rare else ''} ({self.unit}; {self.direction}). {self.definition}"


def declared(module: ModuleType) -> Iterator[Metric]:
    """The metrics declared at the top level of a module, in order."""
    yield from (value for value in vars(module).values() if isinstance(value, Metric))
