"""How long does `rounds round` take when there is nothing new? It must print the last record in under 5 s.

    python -m benchmarks.answer [--times 10] [--into DIR]

Two rounds of the tiny profile are run first, unless DIR already has them. Then the real command is started `--times`
times in a new process, alternating with an empty Python program, so that other load affects both equally. The result is
the median; CPU seconds and load average show how busy the machine was. Writes results/answer.{json,md}.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from typing import NamedTuple

from core.files import write_json, write_text
from tasks.state import choosing
from tasks.state.identity import EMBEDDED_SALT
from tasks.state.workspace import PROJECT
from tests.profile import PROMOTE, TINY

RESULTS = PROJECT / "benchmarks" / "results"

LIMIT = 5.0
"""Seconds."""

NOTHING = (sys.executable, "-c", "pass")


def command(folder: Path) -> list[str]:
    """The command of a round of the tiny profile."""
    settings = [word for knob in (*TINY, PROMOTE) for word in ("-S", knob)]
    return [sys.executable, "-m", "cli", "round", "--workspace", str(folder), *settings]


class Duration(NamedTuple):
    """Duration of one program, in seconds."""

    wall: float
    processor: float


def run(words: Sequence[str]) -> tuple[Duration, str]:
    """Run a program to its end; returns its duration and its output."""
    start, before = time.perf_counter(), getrusage(RUSAGE_CHILDREN)
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True)
    wall, after = time.perf_counter() - start, getrusage(RUSAGE_CHILDREN)
    return Duration(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime), done.stdout


def measure(folder: Path, times: int) -> tuple[list[Duration], list[Duration]]:
    """Durations of the command and of the empty program, in the order of their starts.

    Raises:
        RuntimeError: a round ran.
    """
    answers, nothings = [], []
    for _ in range(times):
        took, output = run(command(folder))
        if "Nothing new since this round" not in output:
            raise RuntimeError(f"the command did not answer from the record; it printed:\n{output}")
        answers.append(took)
        nothings.append(run(NOTHING)[0])
    return answers, nothings


def table(answers: Sequence[Duration], nothings: Sequence[Duration]) -> str:
    """The result as Markdown."""
    lines = ["| command | median s | fastest s | slowest s | CPU s | runs |", "|---|---|---|---|---|---|"]
    for name, runs in (("`rounds round`, nothing new", answers), ("`python -c pass`", nothings)):
        walls, cpu = [took.wall for took in runs], median(took.processor for took in runs)
        figures = " | ".join(f"{figure:.2f}" for figure in (median(walls), min(walls), max(walls), cpu))
        lines.append(f"| {name} | {figures} | {len(runs)} |")
    result = "yes" if max(took.wall for took in answers) < LIMIT else "NO"
    return "\n".join([*lines, "", f"Every run under {LIMIT:.0f} s: {result}."])


def main() -> None:
    """Measure, print the table, write the results."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--times", type=int, default=10)
    options.add_argument("--into", type=Path, default=PROJECT / "data" / "benchmarks" / "answer")
    chosen = options.parse_args()
    choosing.at(chosen.into, salt=EMBEDDED_SALT)
    run(command(chosen.into))
    answers, nothings = measure(chosen.into, chosen.times)
    text = table(answers, nothings)
    print(text)
    today, cores = f"{datetime.now(UTC):%Y-%m-%d}", os.cpu_count()
    facts = f"{today}, {platform.machine()}, {cores} cores, load {os.getloadavg()[0]:.1f}, "
    facts += f"Python {platform.python_version()}"
    typed = f"python -m benchmarks.answer --times {chosen.times}"
    write_text(RESULTS / "answer.md", f"# An answer from the record\n\n{facts}; `{typed}`\n\n{text}\n")
    rows = {"answers": [took._asdict() for took in answers], "nothings": [took._asdict() for took in nothings]}
    write_json(RESULTS / "answer.json", {"facts": facts, "command": typed, **rows})


if __name__ == "__main__":
    main()
