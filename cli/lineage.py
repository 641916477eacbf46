"""`rounds lineage`: trace versions, runs, rounds, data, annotators and commits, as a tree or as JSON."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.tree import Tree

from cli.app import Folder, Json, LineName, Panel, app
from cli.display.console import console, plain, print_json
from cli.display.differences import print_differences

if TYPE_CHECKING:
    from feedback.annotators import AnnotatorActivity
    from tasks.history.lineage import Lineage, RegisteredVersion, TracedRound, VersionIncident

WIDEST = 10_000
"""Width of the tree in columns: rich silently cuts longer lines."""

PEOPLE = 10
"""Maximum number of annotators shown; `--json` has all of them."""


@app.command(rich_help_panel=Panel.HISTORY)
def lineage(
    name: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="What to trace: a version (policy@champion, policy/3), a round by number or key, a run id, a commit, "
            "the hash of data, weights or a base model (six digits or more), or an annotator. If a name is several of "
            "these, put its kind before it: round:3, annotator:anna.",
        ),
    ],
    json: Json = False,
    line: LineName = None,
    folder: Folder = None,
) -> None:
    """Show the rounds, data, versions and people that belong to a version, run, round, hash, commit or annotator."""
    from tasks.history.lineage import lineage as traced
    from tasks.history.lineage import survey
    from tasks.state.choosing import current_or_server
    from tasks.tools.lines import chosen

    workspace = current_or_server(folder)
    lineage_ = traced(survey(workspace, chosen(workspace.root, line)), name)
    if json:
        print_json(lineage_.to_json())
    else:
        out = console(width=WIDEST)
        print_differences(out, lineage_.disagreements)
        out.print(tree_of(lineage_), soft_wrap=True)


def tree_of(lineage_: "Lineage") -> Tree:
    """The lineage as a tree."""
    tree = Tree(
        plain(lineage_.query, style="bold").append_text(plain(f": {' and '.join(lineage_.kinds)}", style="not bold"))
    )
    if annotator := lineage_.annotator:
        leaves = [f"{entry.records:,} records in round {entry.round}" for entry in annotator.people.feedback]
        leaves += [f"{entry.records:,} votes in round {entry.round}" for entry in annotator.people.votes]
        _branch(tree, f"annotator {annotator.name}", leaves)
    for past in lineage_.rounds:
        _add_round(tree, past)
    return tree


def _add_round(tree: Tree, past: "TracedRound") -> None:
    title = plain(f"round {past.round}", style="bold")
    title.append_text(plain(f"  {past.verdict}  (key {past.key}, {past.started})", style="not bold"))
    branch = tree.add(title)
    branch.add(f"run        {past.run}")
    commit = f"{past.commit or 'none'}{' with uncommitted changes' if past.dirty else ''}"
    branch.add(f"commit     {commit} (code {past.code})")
    if past.reward_server:
        branch.add(f"scored by  {past.reward_server}")
    if past.sampler:
        branch.add(f"sampled by {past.sampler}")
    if past.purged:
        branch.add(f"purged     feedback that it read, {past.purged}: it cannot be replayed")
    if past.parent:
        number = past.parent.round
        branch.add(f"follows    round {'unknown' if number is None else number} (key {past.parent.key})")
    if past.champion:
        branch.add(f"champion   {past.champion}")
    if past.followed_by:
        branch.add(f"led to     round {', '.join(map(str, past.followed_by))}")
    _branch(branch, "versions", [_version(version) for version in past.versions])
    data = branch.add("data") if past.data else branch
    for step, outputs in groupby(past.data, key=lambda output: output.step):
        _branch(data, step, [f"{output.md5}  {output.path}" for output in outputs])
    _branch(branch, "feedback", _people(past.people.feedback, past.round))
    _branch(branch, "votes", _people(past.people.votes, past.round))


def _version(version: "RegisteredVersion") -> str:
    marks = ["champion"] if version.champion else []
    marks += [f"with reward/{version.reward_version}"] if version.reward_version is not None else []
    marks += [_incident(incident) for incident in version.incidents or ()]
    marks += [f"rolled back: {version.rolled_back}"] if version.rolled_back is not None else []
    if version.base is not None:
        marks.append(f"{'adapter of the base' if version.adapter else 'from the base'} {version.base[:16]}…")
    return f"{version.version}  {version.digest[:16]}…  {'; '.join(marks)}".rstrip()


def _incident(incident: "VersionIncident") -> str:
    return f"incident {incident.number} ({'open' if incident.open else 'closed'}): {incident.what}"


def _people(activity: "Sequence[AnnotatorActivity]", round: int) -> list[str]:
    """The annotators with the most records, over all rounds up to this one."""
    totals: dict[str, list[int]] = {}
    for entry in activity:
        total = totals.setdefault(f"{entry.annotator} ({entry.type})", [0, 0])
        total[0] += entry.records
        total[1] += entry.records if entry.round == round else 0
    ordered = sorted(totals.items(), key=lambda item: -item[1][0])
    named = [f"{who}: {total:,} records, {new:,} of them new" for who, (total, new) in ordered[:PEOPLE]]
    return [*named, *([f"and {len(ordered) - PEOPLE} others"] if len(ordered) > PEOPLE else [])]


def _branch(tree: Tree, title: str, leaves: Sequence[str]) -> None:
    if leaves:
        branch = tree.add(title)
        for leaf in leaves:
            branch.add(leaf)
