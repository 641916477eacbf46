"""`rounds label …`: fill the queues of the label page, see how far they are, and how well annotators label."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.app import Folder, Json, Panel, group
from cli.display.console import console, counted, grid, print_json
from core.errors import BadParams

label = group("label", "Fill the queues of the label page, and look at them.", Panel.FEEDBACK)

Kind = Literal["comparison", "binary", "rating", "critique", "correction", "demonstration"]

QueueName = Annotated[str, typer.Option("--queue", metavar="QUEUE", help="The labelling queue; made if it is new.")]


@label.command()
def add(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Files of records: prompts, prompts with answers, or feedback (docs/labelling.md)."),
    ] = None,
    queue: QueueName = "main",
    kind: Annotated[
        Kind, typer.Option("--kind", help="What is asked: two answers compared, a thumb, a rating, or a text.")
    ] = "comparison",
    overlap: Annotated[
        int | None,
        typer.Option(
            "--overlap",
            min=1,
            max=100,
            metavar="N",
            help="Judgements that each item wants, by N annotators. Default: label.overlap of serving.yaml.",
        ),
    ] = None,
    gold: Annotated[
        bool, typer.Option("--gold", help="The records are feedback whose judgements are right: annotators are tested.")
    ] = False,
    collected: Annotated[
        bool, typer.Option("--collected", help="Add the answers that the last round collected.")
    ] = False,
    served: Annotated[bool, typer.Option("--served", help="Add answers that the server gave.")] = False,
    consent: Annotated[
        list[str] | None,
        typer.Option(
            "--consent", metavar="TEXT", help="Of the askers of served answers, enough; repeatable. Default: opt-in."
        ),
    ] = None,
    folder: Folder = None,
) -> None:
    """Add items to a labelling queue. Added again, an item stays as it is."""
    from serving.settings import settings
    from tasks.people import label_filling
    from tasks.state.choosing import current

    workspace = current(folder)
    if sum((bool(files), collected, served)) != 1:
        raise BadParams("say what is added; give files, or --collected, or --served")
    if gold and not files:
        raise BadParams("--gold is for files, whose judgements are right; leave it out, or give files")
    if files:
        items = label_filling.of_files(files, kind, gold)
    else:
        items = (
            label_filling.collected(workspace, kind)
            if collected
            else label_filling.served(workspace, kind, consent or [label_filling.CONSENT])
        )
    filled = label_filling.add(workspace, queue, items, overlap or settings(workspace).label.overlap, gold)
    known = f" Already there: {counted(filled.known, 'item')}." if filled.known else ""
    what = "gold item" if gold else "item"
    console().print(f"Added {counted(filled.new, what)} to the labelling queue {queue}.{known}", soft_wrap=True)


@label.command()
def progress(json: Json = False, folder: Folder = None) -> None:
    """Show how far each labelling queue is."""
    from tasks.people import label_filling
    from tasks.state.choosing import current

    states = label_filling.queues(current(folder))
    if json:
        print_json([state._asdict() for state in states])
        return
    if not states:
        console().print("No labelling queues: `rounds label add` makes one.")
        return
    table = grid("queue", "items", "gold", "wanted", "judged", "held")
    for state in states:
        numbers = (state.items, state.gold, state.wanted, state.finished, state.held)
        table.add_row(state.name, *(f"{number:,}" for number in numbers))
    console().print(table)


@label.command()
def annotators(json: Json = False, folder: Folder = None) -> None:
    """Show how well each annotator labels: right on gold items, in agreement with themselves on repeats."""
    from tasks.people import label_quality
    from tasks.state.choosing import current

    found = label_quality.annotators(current(folder))
    if json:
        print_json([quality._asdict() for quality in found])
        return
    if not found:
        console().print("Nobody has judged anything on the label page.")
        return
    table = grid("annotator", "judged", "right on gold", "same on repeats")
    for each in found:
        gold, repeats = _share(each.right, each.gold), _share(each.equal, each.repeats)
        table.add_row(each.annotator, f"{each.judged:,}", gold, repeats)
    console().print(table)


@label.command()
def remove(
    queue: Annotated[str, typer.Argument(metavar="QUEUE", help="The labelling queue.")],
    yes: Annotated[
        bool, typer.Option("--yes/--dry-run", help="Remove it; by default the command only says what it has.")
    ] = False,
    folder: Folder = None,
) -> None:
    """Remove a labelling queue with its gold items. What was judged stays."""
    from tasks.people import label_filling
    from tasks.state.choosing import current

    state = label_filling.remove(current(folder), queue, yes)
    what = f"{counted(state.items, 'item')} and {counted(state.gold, 'gold item')}, {state.finished} judged"
    done = f"Removed the labelling queue {queue}" if yes else f"The labelling queue {queue} has"
    end = f" ({what})." if yes else f" {what}; use --yes to remove it."
    console().print(done + end, soft_wrap=True)


def _share(part: int, whole: int) -> str:
    """A share with its 95 % interval."""
    from evaluation.statistics.intervals import wilson

    if not whole:
        return "-"
    interval = wilson(part, whole)
    return f"{part} of {whole} ({interval.low:.0%} to {interval.high:.0%})"
