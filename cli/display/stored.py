"""Stored events and their numbers, as lines and a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.display.console import as_json, grid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

    from feedback.overview import Overview
    from tasks.history.finding import FoundEvent

SHOWN = 10
"""Maximum number of lines for each field; `--json` has all of them."""


def counts(out: Console, counted: Overview, waiting: int) -> None:
    """Print the numbers, field by field, and the agreement under each criterion."""
    out.print(f"{counted.events:,} events stored, {counted.quarantined:,} in quarantine, {waiting:,} wait")
    for name, values in _fields(counted).items():
        for line in _counts(name, values):
            out.print(line, soft_wrap=True)
    if counted.agreement:
        table = grid("agreement", "pairs", "equal votes", "Krippendorff's alpha")
        for criterion, value in counted.agreement.items():
            alpha = "undefined" if value.alpha is None else f"{value.alpha:.2f}"
            table.add_row(criterion, f"{value.pairs:,}", f"{value.share:.1%}", alpha)
        out.print(table)


def event(found: FoundEvent) -> Iterator[str]:
    """The lines about one event: where it is, its state, and the whole record as JSON."""
    yield f"{found.where}: {_state(found)}"
    if found.replaced:
        yield f"superseded by {found.replaced}"
    if found.forgotten:
        yield "its annotator is forgotten: rounds that open from now on leave it out"
    yield as_json(found.record.model_dump(mode="json", exclude_defaults=True))


def _state(found: FoundEvent) -> str:
    if hasattr(found.record, "reason"):
        return f"rejected by round {found.ingested}"
    if found.ingested is None:
        return "waits for the next round"
    learned = ", ".join(map(str, found.learned)) or "none"
    return f"ingested by round {found.ingested}; rounds that learned from it: {learned}"


def _fields(counted: Overview) -> dict[str, Mapping[str, int]]:
    return {
        "form": counted.kinds,
        "source": counted.sources,
        "annotator": counted.annotators,
        "type of annotator": counted.annotator_types,
        "licence": counted.licences,
        "consent": counted.consents,
        "status": counted.statuses,
        "round": dict([*counted.rounds.items()][-SHOWN:]),
        "week": dict([*counted.weeks.items()][-SHOWN:]),
    }


def _counts(name: str, values: Mapping[str, int]) -> Iterator[str]:
    """One line for each of the first values, and one for the rest."""
    shown = [*values.items()][:SHOWN]
    yield f"by {name}:" + ("" if shown else " none")
    yield from (f"{count:>9,}  {' '.join(str(value).split())}" for value, count in shown)
    if rest := len(values) - len(shown):
        yield f"{sum(values.values()) - sum(count for _, count in shown):>9,}  in {rest} others"
