"""How long does promotion take, and does it grow with the number of registered versions?

    python -m benchmarks.registry [--versions 10 100 1000] [--moves 20] [--pairs 10] [--into DIR]

Tiny versions are registered as a round does it, in one local store (SQLite and files) per size. In each, the newest
version is promoted and rolled back repeatedly. The time is that of the registry: journal, alias, tags, audit log. The
whole command (with Python, imports, opening the store) is timed separately, and so is what the copy of the audit log in
MLflow costs a round (mirror.py). An interrupted run continues with the versions that exist. Writes
results/registry.{json,md}.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks import mirror
from benchmarks.mirror import Paired
from core.files import write_json, write_text
from tasks.registry.alias import Registry
from tasks.state.choosing import at
from tasks.state.line import ModelName
from tasks.state.workspace import PROJECT
from tasks.tools.tracking import RoundRun

RESULTS = PROJECT / "benchmarks" / "results"


class Timed(NamedTuple):
    """Duration of one operation at one size of the registry, in seconds."""

    versions: int
    move: str
    median: float
    worst: float
    cpu: float
    """Median CPU seconds: unlike wall time, independent of other load on the machine and its disk."""
    times: int


class Spent(NamedTuple):
    """Wall and CPU seconds of one operation."""

    wall: float
    cpu: float


def register(registry: Registry, number: int, name: ModelName = "policy") -> str:
    """Register a version with weights of a few bytes; returns its number."""
    tags = {"round": str(number), "round_key": f"{number:016x}", "verdict": "promote"}
    run = RoundRun.open(registry.root, registry.line, f"round {number}", tags)
    folder = registry.root / "data" / "checkpoints" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_text(f"weights of round {number}")
    return registry.register(name, folder, run.run_id, tags, {"evaluate/win_rate": 0.6}).version


def measure(registry: Registry, versions: int, moves: int) -> list[Timed]:
    """Promote a version and roll it back, `moves` times each."""
    newest, before = str(versions), str(versions - 1)
    now = registry.champion()
    if now is None or now.version != before:
        registry.promote(before, now.version if now else None, "the start", "benchmark", kind="force")
    promotions, rollbacks = [], []
    for _ in range(moves):
        promotions.append(_seconds(lambda: registry.promote(newest, before, "it won", "benchmark", kind="force")))
        rollbacks.append(_seconds(lambda: registry.rollback(None, "it was rude", "benchmark")))
    return [_timed(versions, "promote", promotions), _timed(versions, "rollback", rollbacks)]


def command(registry: Registry, versions: int) -> Timed:
    """`rounds rollback` as a whole, from the shell."""
    before = str(versions - 1)
    words = [sys.executable, "-m", "cli", "rollback", "--reason", "it was rude", "-w", str(registry.root)]
    times = []
    for _ in range(3):
        registry.promote(str(versions), before, "it won", "benchmark", kind="force")
        times.append(_seconds(lambda: subprocess.run(words, cwd=PROJECT, check=True, capture_output=True)))
    return _timed(versions, "the whole command `rollback`", times)


def _seconds(work: Callable[[], object]) -> Spent:
    wall, cpu = time.perf_counter(), _cpu()
    work()
    return Spent(time.perf_counter() - wall, _cpu() - cpu)


def _cpu() -> float:
    """CPU seconds of this process and of its finished child processes."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _timed(versions: int, move: str, spent: Sequence[Spent]) -> Timed:
    walls = [seconds.wall for seconds in spent]
    return Timed(versions, move, median(walls), max(walls), median(seconds.cpu for seconds in spent), len(spent))


def table(rows: Sequence[Timed]) -> str:
    """The result as Markdown."""
    lines = ["| versions registered | operation | median s | worst s | CPU s | runs |", "|---|---|---|---|---|---|"]
    lines += [f"| {t.versions:,} | {t.move} | {t.median:.3f} | {t.worst:.3f} | {t.cpu:.3f} | {t.times} |" for t in rows]
    return "\n".join(lines)


def main() -> None:
    """Fill a registry of each size, measure, print the table, write the results."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--versions", type=int, nargs="+", default=[10, 100, 1000])
    options.add_argument("--moves", type=int, default=20)
    options.add_argument("--pairs", type=int, default=10)
    options.add_argument("--into", type=Path, default=PROJECT / "data" / "benchmarks" / "registry")
    chosen = options.parse_args()
    rows: list[Timed] = []
    pairs: list[Paired] = []
    for size in sorted(chosen.versions):
        registry = Registry(at(chosen.into / str(size)).root)
        for number in range(len(registry.versions("policy")), size):
            register(registry, number)
        rows += measure(registry, size, chosen.moves)
        if size == max(chosen.versions):
            rows.append(command(registry, size))
        used = len(registry.versions("policy"))  # rounds of an earlier run included
        pairs += mirror.measure(registry.root, used, chosen.pairs, register, lambda work: _seconds(work).wall)
    text = f"{table(rows)}\n\n## The copy of the audit log in MLflow\n\n{mirror.table(pairs)}"
    print(text)
    facts = f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}, SQLite"
    facts += f", load average {os.getloadavg()[2]:.1f} on {os.cpu_count()} cores"
    typed = f"python -m benchmarks.registry --versions {' '.join(map(str, chosen.versions))} --moves {chosen.moves}"
    typed += f" --pairs {chosen.pairs}"
    write_text(RESULTS / "registry.md", f"# Promotion and rollback\n\n{facts}; `{typed}`\n\n{text}\n")
    write_json(
        RESULTS / "registry.json",
        {
            "facts": facts,
            "command": typed,
            "moves": [t._asdict() for t in rows],
            "mirror": [p._asdict() for p in pairs],
        },
    )


if __name__ == "__main__":
    main()
