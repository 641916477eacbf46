"""`rounds status`: the champion, the candidate, and the last rounds with their verdicts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.app import Folder, Panel, app
from cli.display.console import console, grid, plain
from cli.incident import sentences

if TYPE_CHECKING:
    from core.metrics import Metric
    from tasks.registry.alias import Registry
    from tasks.state.records import RoundRecord
    from tasks.state.workspace import Workspace

ROUNDS = 10
"""Maximum number of rounds shown."""

KEY = 10
"""Digits of a round key that are shown, so that a row fits 80 columns; `rounds show` has the whole key."""


@app.command(rich_help_panel=Panel.ROUNDS)
def status(folder: Folder = None) -> None:
    """Show the champion, the candidate and the last rounds with their verdicts."""
    from tasks.registry.alias import Registry
    from tasks.state import records
    from tasks.state.choosing import current

    workspace = current(folder)
    out, registry = console(), Registry(workspace.root)
    _differences(out, workspace, registry)
    alias = registry.alias()
    champion = registry.find(alias) if alias else None
    if champion is None and records.numbers(workspace):  # it was deleted, and the differences say so
        out.print(_rounds(workspace, ""))
        return
    if champion is None:
        out.print("No champion yet; train the first one with `rounds round`.")
        return
    _line(out, "champion ", f"policy version {champion.version}, from round {champion.round}")
    newest = registry.versions("policy")[0]
    if newest.version != champion.version:
        reason = registry.rolled_back(newest)
        outcome = f"rolled back: {reason}" if reason else newest.tags.get("verdict", "")
        _line(out, "candidate", f"policy version {newest.version}, from round {newest.round}: {outcome}")
    _warnings(out, workspace, registry)
    out.print(_rounds(workspace, champion.version))
    _open_round(out, workspace)


def _differences(out: Console, workspace: Workspace, registry: Registry) -> None:
    from tasks.registry import consistency

    for difference in consistency.inspect(workspace, registry):
        out.print(f"{difference.severity}: {difference}", style="red", soft_wrap=True)


def _line(out: Console, name: str, text: str) -> None:
    out.print(Text.assemble((name, "bold"), "  ", plain(text)))


def _warnings(out: Console, workspace: Workspace, registry: Registry) -> None:
    from tasks.registry import incidents, promotion

    if cooling := registry.cooling(promotion.knobs(workspace).cooldown):
        out.print(f"Cooling down: {cooling}.", style="yellow", soft_wrap=True)
    for sentence in sentences(incidents.every(workspace.audit)):
        out.print(sentence, style="red", soft_wrap=True)


def _open_round(out: Console, workspace: Workspace) -> None:
    from tasks.people.pending import pending
    from tasks.state import records

    if waits := pending(workspace):
        out.print(str(waits), style="yellow", soft_wrap=True)
    elif records.unfinished(workspace):
        out.print("A round is open; continue it with `rounds round`.", style="yellow")


def _rounds(workspace: Workspace, champion: str) -> Table:
    from tasks.state import records

    table = grid("round", "version", "verdict", "win rate", "reward", "KL", "finished, UTC", "key")
    for number in records.numbers(workspace)[-ROUNDS:]:
        record = records.read(workspace, number)
        version = f"{record.version} ★" if record.version == champion else record.version
        table.add_row(str(number), version, record.verdict.result, *_figures(record), record.key[:KEY])
    return table


def _figures(record: RoundRecord) -> tuple[str, str, str, str]:
    from evaluation.evals.answers import KL_MEAN
    from evaluation.evals.reward_model import REWARD_ACCURACY
    from evaluation.evals.votes import WIN_RATE

    def figure(metric: Metric, form: str) -> str:
        return format(record.metrics[metric.full], form) if metric.full in record.metrics else "–"

    finished = f"{datetime.fromisoformat(record.finished).astimezone(UTC):%Y-%m-%d %H:%M}"
    return figure(WIN_RATE, ".1%"), figure(REWARD_ACCURACY, ".1%"), figure(KL_MEAN, ".2f"), finished
