"""`rounds lineage`: where did this version come from, and what became of that feedback? As a tree, or as JSON."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.tree import Tree

from cli.app import Folder, Json, Panel, app
from cli.display.console import as_json, console, plain

if TYPE_CHECKING:
    from feedback.annotators import AnnotatorActivity
    from tasks.history.lineage import About, Lineage, Registered, Traced

WIDEST = 10_000
"""Columns of the tree: a console of the terminal's width would cut its lines without a mark."""

PEOPLE = 10
"""Annotators that are named; `--json` names all."""


@app.command(rich_help_panel=Panel.HISTORY)
def lineage(
    asked: Annotated[
        str,
        typer.Argument(
            metavar="ANYTHING",
            help="policy@champion, policy/3, a round, a run, a hash, a commit, an annotator; kind:NAME where in doubt.",
        ),
    ],
    json: Json = False,
    workspace: Folder = None,
) -> None:
    """Show where something came from, and what became of it."""
    from tasks.history.lineage import lineage as traced
    from tasks.history.lineage import survey
    from tasks.state.workspace import current_or_new

    told = traced(survey(current_or_new(workspace)), asked)
    if json:
        print(as_json(told.to_json()))
    else:
        console(width=WIDEST).print(drawn(told), soft_wrap=True)


def drawn(told: "Lineage") -> Tree:
    """The lineage as a tree."""
    tree = Tree(plain(told.asked, style="bold").append_text(plain(f": {' and '.join(told.kinds)}", style="not bold")))
    if one := told.annotator:
        said = [f"{spoken.records:,} records in round {spoken.round}" for spoken in one.people.feedback]
        said += [f"{spoken.records:,} votes in round {spoken.round}" for spoken in one.people.votes]
        _branch(tree, f"annotator {one.name}", said)
    for past in told.rounds:
        _add_round(tree, past)
    return tree


def _add_round(tree: Tree, past: "Traced") -> None:
    title = plain(f"round {past.round}", style="bold")
    title.append_text(plain(f"  {past.verdict}  (key {past.key}, {past.started})", style="not bold"))
    branch = tree.add(title)
    branch.add(f"run        {past.run}")
    commit = f"{past.commit or 'none'}{' with uncommitted changes' if past.dirty else ''}"
    branch.add(f"commit     {commit} (code {past.code})")
    if past.parent:
        number = past.parent.round
        branch.add(f"follows    round {'unknown' if number is None else number} (key {past.parent.key})")
    if past.champion:
        branch.add(f"to beat    {past.champion}")
    if past.followed_by:
        branch.add(f"led to     round {', '.join(map(str, past.followed_by))}")
    _branch(branch, "versions", [_version(version) for version in past.versions])
    data = branch.add("data") if past.data else branch
    for step, outputs in groupby(past.data, key=lambda output: output.step):
        _branch(data, step, [f"{output.md5}  {output.path}" for output in outputs])
    _branch(branch, "feedback", _people(past.people.feedback, past.round))
    _branch(branch, "votes", _people(past.people.votes, past.round))


def _version(version: "Registered") -> str:
    marks = ["champion"] if version.champion else []
    marks += [f"with reward/{version.reward_version}"] if version.reward_version is not None else []
    marks += [_incident(incident) for incident in version.incidents or ()]
    marks += [f"rolled back: {version.rolled_back}"] if version.rolled_back is not None else []
    return f"{version.version}  {version.digest[:16]}…  {'; '.join(marks)}".rstrip()


def _incident(incident: "About") -> str:
    return f"incident {incident.number} ({'open' if incident.open else 'closed'}): {incident.what}"


def _people(spoken: "Sequence[AnnotatorActivity]", round: int) -> list[str]:
    """The annotators with most records, over all rounds up to this one."""
    totals: dict[str, list[int]] = {}
    for one in spoken:
        total = totals.setdefault(f"{one.annotator} ({one.type})", [0, 0])
        total[0] += one.records
        total[1] += one.records if one.round == round else 0
    ordered = sorted(totals.items(), key=lambda item: -item[1][0])
    named = [f"{who}: {total:,} records, {new:,} of them new" for who, (total, new) in ordered[:PEOPLE]]
    return [*named, *([f"and {len(ordered) - PEOPLE} others"] if len(ordered) > PEOPLE else [])]


def _branch(tree: Tree, title: str, leaves: Sequence[str]) -> None:
    if leaves:
        branch = tree.add(title)
        for leaf in leaves:
            branch.add(leaf)
