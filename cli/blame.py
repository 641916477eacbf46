"""Which feedback did it? The cost, a question, the trainings, and a table of suspects."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.display.progress import bars
from feedback.suspects import BY, By
from tasks.analysis.blame import Attributed, AttributionReport, blame
from tasks.analysis.blame.harm import VoteComparison
from tasks.analysis.blame.keeping import keep
from tasks.analysis.blame.trial import AttributionPlan, trial
from tasks.rounds.running import SHOW
from tasks.state.workspace import current


def show_blame(
    folder: Path | None, asked: str, by: Sequence[By], least: int, top: int, yes: bool, as_json: bool
) -> None:
    """Say what it costs, ask where somebody can answer, train, and print who did harm."""
    console = Console(highlight=False, stderr=as_json)
    tried = trial(current(folder), asked, by or BY, least, top)
    console.print(_cost(tried))
    if tried.waiting and not yes and sys.stdin.isatty() and not typer.confirm("Start?", err=as_json):
        return
    with bars(console):
        show = SHOW.get()
        found = blame(tried, lambda name, place, total: show(f"{place + 1}/{total} {name}"))
    kept = keep(tried.material, found)
    if as_json:
        print(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
        return
    console.print(_table(found))
    for line in _words(found):
        console.print(line)
    logged = "" if tried.material.past else " MLflow knows of no such round here: nothing was logged."
    console.print(f"Kept in {kept} (blame.json, blame.png).{logged}", style="dim", soft_wrap=True)


def _cost(tried: AttributionPlan) -> str:
    waiting, number = len(tried.waiting), tried.material.round.number
    suspects = f"Round {number}: {_count(len(tried.cases) - 1, 'suspect')}"
    if not waiting:
        return f"{suspects}; every training was done before."
    if tried.seconds is None:
        return f"{suspects}, {_count(waiting, 'training')} to run; how long the round's own took was not noted here."
    return f"{suspects}, {_count(waiting, 'training')} to run, about {_time(tried.seconds)} in all on this machine."


def _table(found: AttributionReport) -> Table:
    """Three lines a suspect, so that a terminal of 80 columns cuts nothing off."""
    table = Table(header_style="bold", box=None, padding=(0, 2, 1, 0))
    for column in ("left out", "held against", "harm", "agrees", "p"):
        table.add_column(column, justify="right" if column == "p" else "left", no_wrap=column != "left out")
    for charge in (*found.charges, found.control):
        style = "dim" if charge is found.control else "bold" if charge.sure else None
        table.add_row(*_row(charge, found.expected), style=style, end_section=True)
    return table


def _row(charge: Attributed, expected: float | None) -> list[Text | str]:
    name = Text(charge.suspect.name if charge.suspect else "nobody,\nanother seed")
    if charge.suspect:
        name.append(f"\n{charge.suspect.by}\n{charge.suspect.pairs:,} pairs", style="dim")
    if charge.within:
        name.append(f"\nin {', '.join(charge.within)}", style="dim")
    harms, agree = zip(_evidence(charge.holdout), _evidence(charge.votes), strict=True)
    wins = "–" if charge.win_rate is None or expected is None else f"{expected:.1%} → {charge.win_rate:.1%}"
    p = "–" if charge.p is None else "< .001" if charge.p < 0.001 else f"{charge.p:.3f}"
    return [name, "holdout\nfresh votes\nwin rate", "\n".join(harms), "\n".join((*agree, wins)), p]


def _evidence(found: VoteComparison | None) -> tuple[str, str]:
    """The harm, and how many votes the model with and without the suspect agrees with."""
    if found is None:
        return "–", "–"
    harm = f"{found.harm.estimate:+.4f} ({found.harm.low:+.4f} to {found.harm.high:+.4f})"
    if found.accuracy is None or found.accuracy_without is None:
        return harm, "–"
    return harm, f"{found.accuracy:.1%} → {found.accuracy_without:.1%}"


def _words(found: AttributionReport) -> list[str]:
    """How to read the table."""
    lines = [
        "Harm: by how much the Brier score on the votes of everybody else falls without them; above 0 they did harm."
    ]
    if found.win_rate is not None and found.expected is not None:
        lines.append(
            f"Win rate: {found.win_rate:.1%} of the fresh votes were for the candidate; the round's reward model "
            f"expected {found.expected:.1%}."
        )
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
