"""`rounds blame`: leave-one-out attribution. Prints the cost, asks, trains, and prints a table of the results."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from cli.app import Folder, Json, Panel, app
from cli.display.console import console, plain, print_json
from cli.display.progress import progress

if TYPE_CHECKING:
    from tasks.analysis.blame import AttributionReport, SubsetEffect
    from tasks.analysis.blame.effect import VoteComparison
    from tasks.analysis.blame.plan import AttributionPlan


@app.command(rich_help_panel=Panel.ANALYSIS)
def blame(
    round_name: Annotated[str, typer.Argument(metavar="ROUND", help="A finished round by number, key or run.")],
    by: Annotated[
        Literal["annotator", "source", "batch"] | None,
        typer.Option("--by", help="Leave out only subsets of this kind."),
    ] = None,
    min_pairs: Annotated[
        int, typer.Option("--least", min=1, help="Minimum number of training pairs that a subset has voted on.")
    ] = 20,
    top: Annotated[int, typer.Option("--top", min=1, help="Maximum number of trainings, largest subsets first.")] = 8,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Start without asking for confirmation.")] = False,
    json: Json = False,
    folder: Folder = None,
) -> None:
    """Retrain the reward model of a round without each annotator, source and feedback batch, and rank them by harm."""
    from feedback.subsets import BY
    from tasks.analysis.blame import blame as attribute
    from tasks.analysis.blame.plan import plan as planned
    from tasks.analysis.blame.storage import store
    from tasks.state.choosing import current

    out = console(stderr=json)
    plan = planned(current(folder), round_name, (by,) if by else BY, min_pairs, top)
    out.print(_cost(plan))
    if plan.waiting and not yes and sys.stdin.isatty() and not typer.confirm("Start?", err=json):
        return
    with progress(out) as show:
        report = attribute(plan, lambda name, index, total: show(f"{index + 1}/{total} {name}", "reward"))
    folder = store(plan.material, report)
    if json:
        print_json(report.to_json())
        return
    out.print(_table(report))
    for line in _legend(report):
        out.print(line)
    logged = "" if plan.material.past else " Nothing was logged: this MLflow has no run of the round."
    out.print(f"Written to {folder} (blame.json, blame.png).{logged}", style="dim", soft_wrap=True)


def _cost(plan: AttributionPlan) -> str:
    waiting, number = len(plan.waiting), plan.material.round.number
    subsets = f"Round {number}: {_count(len(plan.cases) - 1, 'subset')}"
    if not waiting:
        return f"{subsets}, 0 trainings to run."
    trainings = _count(waiting, "training")
    if plan.seconds is None:
        return (
            f"{subsets}, {trainings} to run; no estimate, because the round's own training time is not recorded here."
        )
    return f"{subsets}, {trainings} to run, about {_time(plan.seconds)} in total on this machine."


def _table(report: AttributionReport) -> Table:
    """Three lines per subset, so that the table fits a terminal of 80 columns."""
    table = Table(header_style="bold", box=None, padding=(0, 2, 1, 0))
    for column in ("left out", "measured on", "harm", "agrees", "p"):
        table.add_column(column, justify="right" if column == "p" else "left", no_wrap=column != "left out")
    for result in (*report.results, report.control):
        style = "dim" if result is report.control else "bold" if result.significant else None
        table.add_row(*_row(result, report.expected), style=style, end_section=True)
    return table


def _row(result: SubsetEffect, expected: float | None) -> list[Text | str]:
    name = plain(result.subset.name if result.subset else "nothing,\nanother seed")
    if result.subset:
        name.append(plain(f"\n{result.subset.by}\n{result.subset.pairs:,} pairs", style="dim"))
    if result.within:
        name.append(plain(f"\nin {', '.join(result.within)}", style="dim"))
    harms, agree = zip(_comparison(result.holdout), _comparison(result.votes), strict=True)
    wins = "–" if result.win_rate is None or expected is None else f"{expected:.1%} → {result.win_rate:.1%}"
    p = "–" if result.p is None else "< .001" if result.p < 0.001 else f"{result.p:.3f}"
    return [name, "holdout\nfresh votes\nwin rate", "\n".join(harms), "\n".join((*agree, wins)), p]


def _comparison(comparison: VoteComparison | None) -> tuple[str, str]:
    """The harm, and the accuracy on the votes of the models with and without the subset."""
    if comparison is None:
        return "–", "–"
    harm = f"{comparison.harm.estimate:+.4f} ({comparison.harm.low:+.4f} to {comparison.harm.high:+.4f})"
    if comparison.accuracy is None or comparison.accuracy_without is None:
        return harm, "–"
    return harm, f"{comparison.accuracy:.1%} → {comparison.accuracy_without:.1%}"


def _legend(report: AttributionReport) -> list[str]:
    """How to read the table."""
    lines = [
        "Harm: decrease of the Brier score on the votes of all others when the subset is left out; above 0, the subset "
        "did harm."
    ]
    if report.win_rate is not None and report.expected is not None:
        lines.append(
            f"Win rate: {report.win_rate:.1%} of the fresh votes were for the candidate; the round's reward model "
            f"predicted {report.expected:.1%}."
        )
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
