"""`rounds status`: champion, candidate, the last rounds with their verdicts, what starts the next; the open round."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.app import Folder, Panel, app
from cli.display.commands import completed
from cli.display.console import console, grid, plain
from cli.display.differences import print_differences
from cli.incident import sentences
from core.errors import RoundsError
from core.shown import shortened

if TYPE_CHECKING:
    from core.metrics import Metric
    from tasks.registry.alias import ModelVersion, Registry
    from tasks.state.records import RoundRecord
    from tasks.state.workspace import Workspace

ROUNDS = 10
"""Maximum number of rounds shown."""

REASON = 200
"""Characters of a reason that are shown; the audit log has all of it."""

KEY = 8
"""Digits of a round key that are shown, so that a row fits 80 columns. Commands that take a key need six of them."""

OUTCOMES = {"promote": "promoted", "hold": "held", "reject": "rejected"}
"""Verdict → what became of the candidate, unless somebody promoted it or rolled it back later."""


@app.command(rich_help_panel=Panel.ROUNDS)
def status(
    watch: Annotated[bool, typer.Option("--watch", help="Follow the open round until Ctrl-C.")] = False,
    folder: Folder = None,
) -> None:
    """Show champion, candidate, the last rounds and what starts the next one; or follow the open round."""
    from tasks.state.choosing import current

    workspace = current(folder)
    if watch:
        from cli.display import watched

        watched.watch(workspace, console())
        return
    _show(workspace)


def _show(workspace: Workspace) -> None:
    from tasks.registry import absent
    from tasks.registry.alias import Registry
    from tasks.state import records

    out, registry = console(), Registry(workspace.root)
    _line_of_server(out, workspace, registry)
    _copied(out, registry)
    disagree = _disagreements(out, workspace, registry)
    alias = registry.alias()
    champion = registry.find(alias) if alias else None
    if champion is None and records.numbers(workspace) and disagree:  # it was deleted, and the disagreements say so
        _warnings(out, workspace, registry)
        out.print(_rounds(workspace, registry, ""))
        return
    if champion is None:
        cause = absent.why(registry)
        out.print(completed(f"{cause[0].upper()}{cause[1:]}."), soft_wrap=True)
        _warnings(out, workspace, registry)
        _next_round(out, workspace)
        return
    _line(out, "champion ", f"policy version {champion.version}, from round {champion.round}")
    newest = registry.versions("policy")[0]
    if newest.version != champion.version:
        rolled_back, verdict = registry.recorded_rollback(newest), _verdict(workspace, newest)
        outcome = f"rolled back: {shortened(rolled_back, REASON)}" if rolled_back else OUTCOMES.get(verdict, verdict)
        _line(out, "candidate", f"policy version {newest.version}, from round {newest.round}: {outcome}")
    _warnings(out, workspace, registry)
    out.print(_rounds(workspace, registry, champion.version))
    _open_round(out, workspace)
    _next_round(out, workspace)


def _verdict(workspace: Workspace, version: ModelVersion) -> str:
    """The verdict of a version by the record of its round, else, if another workspace ran it, by its tag."""
    from tasks.state import records

    for number in reversed(records.numbers(workspace)):
        record = records.read(workspace, number)
        if record.key == version.tags["round_key"]:
            return record.verdict.result
    return version.tags.get("verdict", "")


def _copied(out: Console, registry: Registry) -> None:
    """Name the workspace of which this one is a copy: a round would be refused until a person chooses."""
    if reason := registry.copied():
        out.print(f"{reason}.", style="yellow", soft_wrap=True)


def _line_of_server(out: Console, workspace: Workspace, registry: Registry) -> None:
    """Name the line where the server may have several."""
    from tasks.tools import tracking

    if not tracking.is_local(workspace.root):
        _line(out, "line     ", registry.line.name)


def _disagreements(out: Console, workspace: Workspace, registry: Registry) -> bool:
    """Print where log, records and registry disagree; True if they do."""
    from tasks.registry import consistency

    differences = consistency.inspect(workspace, registry)
    print_differences(out, differences)
    return bool(differences)


def _line(out: Console, name: str, text: str) -> None:
    out.print(Text.assemble((name, "bold"), "  ", plain(text)))


def _warnings(out: Console, workspace: Workspace, registry: Registry) -> None:
    from tasks.registry import incidents, promotion
    from tasks.state import inbox

    if cooling := registry.cooling(promotion.knobs(workspace).cooldown):
        out.print(f"Cooling down: {cooling}.", style="yellow", soft_wrap=True)
    for sentence in sentences(incidents.every(workspace.audit)):
        out.print(sentence, style="red", soft_wrap=True)
    for entry in inbox.unread(workspace):
        out.print(
            f"Not read, because it is a link, no file, or has a name that is not UTF-8: {entry}; remove or rename it.",
            style="yellow",
            soft_wrap=True,
        )


def _open_round(out: Console, workspace: Workspace) -> None:
    from tasks.people.pending import pending
    from tasks.state import records
    from tasks.state.lock import holder

    if waits := pending(workspace):
        out.print(completed(str(waits)), style="yellow", soft_wrap=True)
    elif not records.unfinished(workspace):
        return
    elif runs := holder(workspace.lock):
        out.print(completed(f"In progress: {runs}; `rounds status --watch` follows it."), soft_wrap=True)
    else:
        out.print(completed("A round is open; continue it with `rounds round`."), style="yellow", soft_wrap=True)


def _next_round(out: Console, workspace: Workspace) -> None:
    """How much usable feedback waits, and what starts a round on it where the deployments run."""
    from tasks.state import records
    from tasks.state.readiness import readiness

    try:
        waiting = readiness(workspace)
    except RoundsError as error:  # the feedback database does not answer: the champion is known all the same
        _line(out, "feedback ", f"not counted: {error}")
        return
    _line(out, "feedback ", str(waiting))
    if not records.unfinished(workspace):
        _line(out, "next     ", f"round {records.coming(workspace)} starts {waiting.outlook}")


def _rounds(workspace: Workspace, registry: Registry, champion: str) -> Table:
    from tasks.state import records

    versions = {version.version: version for version in registry.versions("policy")}
    promoted = set(registry.champions())
    table = grid("round", "version", "outcome", "win rate", "reward", "KL", "finished, UTC", "key")
    for number in records.numbers(workspace)[-ROUNDS:]:
        record = records.read(workspace, number)
        version = f"{record.version} ★" if record.version == champion else record.version
        known = versions.get(record.version)
        known = known if known and _registered(record, registry, known) else None
        outcome = _outcome(record, registry, known, promoted) if known else "deleted"
        table.add_row(str(number), version, outcome, *_figures(record), record.key[:KEY])
    return table


def _registered(record: RoundRecord, registry: Registry, version: ModelVersion) -> bool:
    """Whether the round registered the version; a registry restored from an older copy gives its number again."""
    logged = registry.trust.log().versions.get(("policy", version.version))
    return (logged.key if logged and logged.key else version.tags["round_key"]) == record.key


def _outcome(record: RoundRecord, registry: Registry, version: ModelVersion, promoted: set[str]) -> str:
    """What became of the version of a round, by the audit log where it has the version."""
    if registry.recorded_rollback(version) is not None:
        return "rolled back"
    return "promoted" if version.version in promoted else OUTCOMES[record.verdict.result]


def _figures(record: RoundRecord) -> tuple[str, str, str, str]:
    from evaluation.evals.answers import KL_MEAN
    from evaluation.evals.reward_model import REWARD_ACCURACY
    from evaluation.evals.votes import WIN_RATE

    def figure(metric: Metric, form: str) -> str:
        return format(record.metrics[metric.full], form) if metric.full in record.metrics else "–"

    finished = f"{datetime.fromisoformat(record.finished).astimezone(UTC):%Y-%m-%d %H:%M}"
    return figure(WIN_RATE, ".1%"), figure(REWARD_ACCURACY, ".1%"), figure(KL_MEAN, ".2f"), finished
