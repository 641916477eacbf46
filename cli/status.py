"""Where things stand: champion, candidate, and the last rounds with their verdicts."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.incident import sentences
from tasks.people.pending import pending
from tasks.registry import incidents, promotion
from tasks.registry.alias import Registry
from tasks.state import records
from tasks.state.workspace import Workspace, current

ROUNDS = 10
"""How many rounds are shown."""


def show_status(folder: Path | None) -> None:
    """Print champion, newest candidate and the last rounds."""
    workspace = current(folder)
    console = Console()
    registry = Registry(workspace.root)
    champion, versions = registry.champion(), registry.versions("policy")
    if champion is None:
        console.print("No champion yet: `rounds round` trains the first one.")
        return
    console.print(f"[bold]champion[/bold]   policy version {champion.version}, from round {champion.round}")
    newest = versions[0]
    if newest.version != champion.version:
        said = newest.tags.get("rolled_back") or newest.tags.get("verdict", "")
        console.print(f"[bold]candidate[/bold]  policy version {newest.version}, from round {newest.round}: {said}")
    if cooling := registry.cooling(promotion.knobs(workspace).cooldown):
        console.print(f"Cooling down: {cooling}.", style="yellow", soft_wrap=True)
    for sentence in sentences(incidents.every(workspace.audit)):
        console.print(sentence, style="red", markup=False, soft_wrap=True)
    console.print(_rounds(workspace, champion.version))
    if waits := pending(workspace):
        console.print(str(waits), style="yellow", soft_wrap=True)
    elif records.unfinished(workspace):
        console.print("A round is open; `rounds round` continues it.", style="yellow")


def _rounds(workspace: Workspace, champion: str) -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in ("round", "version", "verdict", "win rate", "reward acc.", "KL", "finished", "key"):
        table.add_column(column)
    for number in records.numbers(workspace)[-ROUNDS:]:
        record = records.read(workspace, number)
        version = f"{record['version']} ★" if record["version"] == champion else record["version"]
        table.add_row(str(number), version, record["verdict"]["result"], *_figures(record), record["key"])
    return table


def _figures(record: dict[str, Any]) -> tuple[str, str, str, str]:
    def figure(name: str, form: str) -> str:
        return format(record["metrics"][name], form) if name in record["metrics"] else "–"

    rate = figure("evaluate/win_rate", ".1%")
    return rate, figure("evaluate/reward_accuracy", ".1%"), figure("evaluate/kl_mean", ".2f"), record["finished"]
