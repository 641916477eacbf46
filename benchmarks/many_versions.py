"""Do the commands that people type stay quick with 1,000 rounds and 10,000 registered versions?

    python -m benchmarks.many_versions [--rounds 5001] [--own 1000] [--times 3] [--into DIR]

A workspace runs two real rounds of the tests' tiny profile; a copy of it gets the others (many_rounds.py). Each command
is run as a user types it, with Python and imports, in turn in both workspaces; the page of the dashboard is gathered in
this process, for the first time and again. The first run of each command is not counted. Workspaces that exist are used
again. Writes results/many_versions.{json,md}.
"""

import argparse
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.many_rounds import multiply
from core.files import write_json, write_text
from tasks.history.dashboard import DashboardReader
from tasks.registry.alias import Registry
from tasks.state.choosing import at
from tasks.state.workspace import PROJECT, Workspace
from tests.profile import PROMOTE, TINY

RESULTS = PROJECT / "benchmarks" / "results"

COMMANDS = (
    ("status",),
    ("show",),
    ("lineage", "policy@champion"),
    ("lineage", "policy/2"),
    ("plan",),
    ("doctor",),
    ("gc",),
    ("rollback", "--reason", "it was rude"),
)

PATHS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Columns of MLflow's database that begin with the path of the workspace."""

ENOUGH = 60.0
"""Seconds. A command that takes longer is run once."""


class Spent(NamedTuple):
    """Wall and CPU seconds of one run of a command."""

    wall: float
    cpu: float
    """Independent of other load on the machine and its disk."""


class Timed(NamedTuple):
    """One command in both workspaces."""

    command: str
    few: tuple[Spent, ...]
    """In the workspace with two rounds."""
    many: tuple[Spent, ...]


def prepared(into: Path, rounds: int, own: int) -> tuple[Workspace, Workspace]:
    """The workspace with two rounds and the one with many, each made if it does not exist."""
    few, many = Workspace(into / "few"), Workspace(into / "many")
    if not few.record(1).exists():
        from flows.round import rlhf_round

        shutil.rmtree(few.root, ignore_errors=True)
        rlhf_round([*TINY, PROMOTE], str(at(few.root, salt="of the benchmark").root))
    whole = many.data / "whole.txt"
    if not whole.exists() or whole.read_text(encoding="utf-8") != f"{rounds} {own}":
        shutil.rmtree(many.root, ignore_errors=True)
        shutil.copytree(few.root, many.root)
        _relocate(many, few.root)
        multiply(many, rounds, own)
        write_text(whole, f"{rounds} {own}")
    return few, many


def _relocate(copied: Workspace, origin: Path) -> None:
    """Have MLflow's database name the files of the copy."""
    database = sqlite3.connect(copied.database)
    for table, column in PATHS:
        change = f"update {table} set {column} = replace({column}, ?, ?)"
        database.execute(change, (str(origin), str(copied.root)))
    database.commit()
    database.close()


def typed(workspace: Workspace, words: Sequence[str]) -> Spent:
    """One command, as typed. A rollback is undone afterwards."""
    command = [sys.executable, "-W", "ignore", "-m", "cli", *words, "-w", str(workspace.root)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PREFECT_"))}
    before = Registry(workspace.root).alias() if words[0] == "rollback" else None
    began, used = time.perf_counter(), _cpu()
    ended = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    spent = Spent(time.perf_counter() - began, _cpu() - used)
    if ended.returncode not in ((0, 1) if words[0] == "doctor" else (0,)):  # doctor warns of the machine
        raise RuntimeError(f"{words} in {workspace.root}: {ended.stdout}{ended.stderr}")
    if before is not None:
        registry = Registry(workspace.root)
        registry.promote(before, registry.alias(), "it was not", "benchmark", kind="force")
    return spent


def measure(few: Workspace, many: Workspace, name: str, work: Callable[[Workspace], Spent], times: int) -> Timed:
    """The same work in both workspaces, alternating."""
    took: dict[Path, list[Spent]] = {few.root: [], many.root: []}
    for time_ in range(times + 1):
        for workspace in (few, many):
            if time_ > 1 and max(spent.wall for spent in took[many.root]) > ENOUGH:
                break
            took[workspace.root].append(work(workspace))
            if time_ == 1:
                del took[workspace.root][0]  # the first reads files into the cache of the disk
    timed = Timed(name, tuple(took[few.root]), tuple(took[many.root]))
    print(_row(timed), flush=True)
    return timed


def page(times: int, few: Workspace, many: Workspace) -> list[Timed]:
    """The page of the dashboard: the first time in a process, and again after its two seconds."""
    readers = {workspace.root: DashboardReader(workspace) for workspace in (few, many)}

    def first(workspace: Workspace) -> Spent:
        return _seconds(DashboardReader(workspace).read)

    def again(workspace: Workspace) -> Spent:
        readers[workspace.root].forget()
        return _seconds(readers[workspace.root].read)

    return [
        measure(few, many, "the dashboard's page, the first time", first, times),
        measure(few, many, "the dashboard's page, again", again, times),
    ]


def _seconds(work: Callable[[], object]) -> Spent:
    began, used = time.perf_counter(), _cpu()
    work()
    return Spent(time.perf_counter() - began, _cpu() - used)


def _cpu() -> float:
    """CPU seconds of this process and of its finished child processes."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def table(rows: Sequence[Timed]) -> str:
    """The result as Markdown."""
    heads = "2 rounds: wall, median s (range) | CPU s | many: wall, median s (range) | CPU s | runs"
    lines = [f"| | {heads} |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *map(_row, rows)])


def _row(row: Timed) -> str:
    return f"| {row.command} | {_spread(row.few)} | {_spread(row.many)} | {len(row.many)} |"


def _spread(spent: Sequence[Spent]) -> str:
    walls = [each.wall for each in spent]
    cpu = median(each.cpu for each in spent)
    return f"{median(walls):.2f} ({min(walls):.2f}–{max(walls):.2f}) | {cpu:.2f}"


def main() -> None:
    """Make both workspaces, measure, print the table, write the results."""
    warnings.simplefilter("ignore")
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5001)
    options.add_argument("--own", type=int, default=1000)
    options.add_argument("--times", type=int, default=3)
    options.add_argument("--only", nargs="*", help="Names of commands; results are then only printed.")
    options.add_argument("--into", type=Path, default=PROJECT / "data" / "benchmarks" / "many_versions")
    chosen = options.parse_args()
    few, many = prepared(chosen.into.resolve(), chosen.rounds, chosen.own)
    rows = [
        measure(few, many, f"`rounds {' '.join(words[:2])}`", partial(typed, words=words), chosen.times)
        for words in COMMANDS
        if not chosen.only or words[0] in chosen.only
    ]
    if chosen.only:
        return
    rows += page(chosen.times, few, many)
    versions = len(Registry(many.root).versions("policy")) + len(Registry(many.root).versions("reward"))
    size = (
        f"{chosen.own:,} finished rounds of the workspace, {chosen.rounds - chosen.own:,} of other workspaces of its "
        f"line, {versions:,} registered versions, each policy promoted; MLflow's database "
        f"{many.database.stat().st_size >> 20:,} MiB"
    )
    facts = f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}, SQLite"
    facts += f", load average {os.getloadavg()[2]:.1f} on {os.cpu_count()} cores"
    command = f"python -m benchmarks.many_versions --rounds {chosen.rounds} --own {chosen.own} --times {chosen.times}"
    note = (
        "Each command with Python's start and its imports. A load average above 1 means that other work ran meanwhile."
    )
    write_text(
        RESULTS / "many_versions.md",
        f"# Many rounds and versions\n\n{facts}; `{command}`\n\n{size}.\n{note}\n\n{table(rows)}\n",
    )
    result = {"facts": facts, "command": command, "size": size, "rows": [row._asdict() for row in rows]}
    write_json(RESULTS / "many_versions.json", result)


if __name__ == "__main__":
    main()
