"""What the copy of the audit log in MLflow costs a round: opening and closing, with the copy and without, in pairs.

`python -m benchmarks.registry` runs this in each of its registries. Each pair is measured in the same registry, in
alternating order, so that load on the machine and the number of versions affect both alike.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tasks.registry import consistency
from tasks.registry.alias import Registry
from tasks.registry.ledger import ledger
from tasks.registry.mirror import Mirror, Mirrored, MirroredLine
from tasks.registry.trust import DigestSources
from tasks.state.line import ModelName
from tasks.state.workspace import Workspace

Register = Callable[[Registry, int, ModelName], str]
"""Registers the version of a round; returns its number."""

Seconds = Callable[[Callable[[], object]], float]
"""Runs a piece of work; returns how long it took."""


class NoMirror(Mirror):
    """A mirror that neither sends nor reads."""

    def send(self) -> list[MirroredLine]:
        """Send nothing."""
        return []

    def lines(self, workspace: str | None = None) -> list[MirroredLine]:
        """Read nothing."""
        return []

    @cached_property
    def mirrored(self) -> Mirrored:
        """No facts."""
        return Mirrored(ledger([]), ledger([]))


class WithoutMirror(Registry):
    """A registry whose audit log has no copy in MLflow."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.mirror = NoMirror(self)
        self.trust = DigestSources(Workspace(root), self.mirror)


class Paired(NamedTuple):
    """Duration of one part of a round at one size of the registry, in seconds."""

    versions: int
    part: str
    with_mirror: float
    """Median."""
    without: float
    """Median."""
    difference: float
    """Median of the differences within pairs."""
    pairs: int


def measure(root: Path, versions: int, pairs: int, register: Register, seconds: Seconds) -> list[Paired]:
    """Open and close `pairs` rounds with the mirror, and as many without."""
    parts: dict[str, list[dict[type[Registry], float]]] = {"opening": [], "closing": []}
    number = versions
    for pair in range(pairs):
        kinds: list[type[Registry]] = [Registry, WithoutMirror]
        opening, closing = dict[type[Registry], float](), dict[type[Registry], float]()
        for kind in kinds if pair % 2 else kinds[::-1]:
            opening[kind], closing[kind] = _round(kind(root), number, register, seconds)
            number += 1
            Registry(root).send()  # lines of a round without the mirror, so that the next one does not send them
        parts["opening"].append(opening)
        parts["closing"].append(closing)
    return [_paired(versions, part, measured) for part, measured in parts.items()]


def _round(registry: Registry, number: int, register: Register, seconds: Seconds) -> tuple[float, float]:
    champion = registry.alias()  # opens the database, which both kinds do once per process

    def opening() -> None:
        registry.reconcile()
        consistency.inspect(Workspace(registry.root), registry, registry.lacking)

    def closing() -> None:
        register(registry, number, "reward")
        registry.promote(register(registry, number, "policy"), champion, "it won", "benchmark")

    return seconds(opening), seconds(closing)


def _paired(versions: int, part: str, measured: Sequence[dict[type[Registry], float]]) -> Paired:
    with_mirror, without = ([pair[kind] for pair in measured] for kind in (Registry, WithoutMirror))
    differences = [more - less for more, less in zip(with_mirror, without, strict=True)]
    return Paired(versions, part, median(with_mirror), median(without), median(differences), len(measured))


def table(rows: Sequence[Paired]) -> str:
    """The result as Markdown."""
    head = "| versions registered | part of a round | with mirror, median s | without | difference, median s | pairs |"
    lines = [head, "|---|---|---|---|---|---|"]
    lines += [
        f"| {row.versions:,} | {row.part} | {row.with_mirror:.3f} | {row.without:.3f} | {row.difference:+.3f} | "
        f"{row.pairs} |"
        for row in rows
    ]
    return "\n".join(lines)
