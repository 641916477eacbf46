"""What forgetting an annotator is about, and what was done, as lines and a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.display.commands import completed
from cli.display.console import grid

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tasks.history.forgetting import Forgetting


def show(out: Console, facts: Forgetting, purge: bool, done: bool) -> None:
    """Print the rounds, the versions that learned, the places, and what was done; `done` is false for a dry run."""
    purged = purge and done
    for line in (*_rounds(facts), *_learned(facts)):
        out.print(completed(line), soft_wrap=True)
    if any(place.problem is None for place in facts.places):
        out.print("Removed from the workspace:" if purged else "In the workspace:")
        out.print(_places(facts))
    for place in facts.places:
        if place.problem:
            out.print(f"NOT {'removed' if purged else 'searched'}: {place.where}: {place.problem}", soft_wrap=True)
    if facts.ended:
        said = f"Ended: {facts.ended.number} {facts.ended.what}"
        out.print(f"NOT ended: {facts.ended.what}: {facts.ended.problem}" if facts.ended.problem else f"{said}.")
    out.print("Out of reach of this command:")
    for line in facts.beyond:
        out.print(completed(f"  {line}"), soft_wrap=True)
    for line in _outcome(facts, purge, done):
        out.print(completed(line), soft_wrap=True)


def _rounds(facts: Forgetting) -> list[str]:
    if not facts.ingested and not facts.voted:
        return [f"No round has taken in feedback or votes of {facts.annotator!r}."]
    lines = (
        [f"Feedback of {facts.annotator!r} was taken in by round {_numbers(facts.ingested)}."] if facts.ingested else []
    )
    return lines + ([f"Votes were counted by round {_numbers(facts.voted)}."] if facts.voted else [])


def _learned(facts: Forgetting) -> list[str]:
    learned = facts.learned
    if not learned.versions:
        return ["No registered version has learned from it."] if facts.ingested else []
    lines = ["Versions that learned from it:"]
    for version in learned.versions:
        how = "trained on it" if version.how == "feedback" else "its policy started from such a champion"
        lines.append(f"  {version.version}, round {version.round}: {how}")
    lines.append(f"The newest policy version that did not: {learned.clean or 'none'}.")
    return lines + _advice(facts)


def _advice(facts: Forgetting) -> list[str]:
    """How the next rounds become free of it: leaving out the rows does not change the champion they start from."""
    target = facts.learned.back
    if facts.learned.champion is None:
        return []
    back = f", or roll back first: `rounds rollback --to {target.partition('/')[2]} --reason …`" if target else ""
    return [
        f"The champion {facts.learned.champion} learned from it, and the next policy starts from the champion. To "
        f"train one that has not learned from it, run `rounds round -S policy.start=sft`{back}."
    ]


def _places(facts: Forgetting) -> Table:
    table = grid("count", "what", "where")
    for place in facts.places:
        if place.problem is None:
            table.add_row(f"{place.number:,}", place.what, place.where)
    return table


def _outcome(facts: Forgetting, purge: bool, done: bool) -> list[str]:
    if not done:
        return [f"Nothing was changed; use --yes to {'purge' if purge else 'forget'}."]
    lines = [f"Forgotten since {facts.since}: rounds that open from now on leave out all feedback with this id."]
    if facts.open is not None:
        lines.append(f"Round {facts.open} is open and still reads it; `rounds round --reopen` opens it again without.")
    if purge and facts.ingested:
        lines.append(f"Rounds from {min(facts.ingested)} on can no longer be replayed.")
    return lines


def _numbers(rounds: tuple[int, ...]) -> str:
    return ", ".join(map(str, rounds))
