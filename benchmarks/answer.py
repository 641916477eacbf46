"""How long does a round take that is asked for again with nothing new? It has to answer from its record in under 5 s.

    python -m benchmarks.answer [--times 10] [--into DIR]

Two rounds of the tiny profile are run first, where DIR does not hold them yet. Then the true command is started afresh
`--times` times, in turn with a Python that does nothing, so that what else the machine does meets both alike. The
median counts; seconds of the processor and the load show how busy the machine was. Writes results/answer.{json,md}.
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
from tasks.state.workspace import PROJECT
from tests.profile import PROMOTE, TINY

RESULTS = PROJECT / "benchmarks" / "results"

LIMIT = 5.0
"""Seconds."""

NOTHING = (sys.executable, "-c", "pass")


def command(place: Path) -> list[str]:
    """The command of a round of the tiny profile."""
    settings = [word for knob in (*TINY, PROMOTE) for word in ("-S", knob)]
    return [sys.executable, "-m", "cli", "round", "--workspace", str(place), *settings]


class Took(NamedTuple):
    """What one start of a program cost, in seconds."""

    wall: float
    processor: float


def run(words: Sequence[str]) -> tuple[Took, str]:
    """Run a program to its end: how long that took, and what it printed."""
    start, before = time.perf_counter(), getrusage(RUSAGE_CHILDREN)
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True)
    wall, after = time.perf_counter() - start, getrusage(RUSAGE_CHILDREN)
    return Took(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime), done.stdout


def measure(place: Path, times: int) -> tuple[list[Took], list[Took]]:
    """What the answers and the empty program took, in the order they were started.

    Raises:
        RuntimeError: a round ran instead of an answer.
    """
    answers, nothings = [], []
    for _ in range(times):
        took, said = run(command(place))
        if "Nothing new since this round" not in said:
            raise RuntimeError(f"no answer from the record:\n{said}")
        answers.append(took)
        nothings.append(run(NOTHING)[0])
    return answers, nothings


def table(answers: Sequence[Took], nothings: Sequence[Took]) -> str:
    """The result as Markdown."""
    lines = ["| command | median s | fastest | slowest | processor s | times |", "|---|---|---|---|---|---|"]
    for name, runs in (("`rounds round`, nothing new", answers), ("`python -c pass`", nothings)):
        walls, processor = [took.wall for took in runs], median(took.processor for took in runs)
        figures = " | ".join(f"{figure:.2f}" for figure in (median(walls), min(walls), max(walls), processor))
        lines.append(f"| {name} | {figures} | {len(runs)} |")
    kept = "kept" if max(took.wall for took in answers) < LIMIT else "NOT kept"
    return "\n".join([*lines, "", f"Under {LIMIT:.0f} s each time: {kept}."])


def main() -> None:
    """Measure, print the table, keep the results."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--times", type=int, default=10)
    options.add_argument("--into", type=Path, default=PROJECT / "data" / "benchmarks" / "answer")
    chosen = options.parse_args()
    run(command(chosen.into))
    answers, nothings = measure(chosen.into, chosen.times)
    text = table(answers, nothings)
    print(text)
    today, cores = f"{datetime.now(UTC):%Y-%m-%d}", os.cpu_count()
    facts = f"{today}, {platform.machine()}, {cores} cores, load {os.getloadavg()[0]:.1f}, "
    facts += f"Python {platform.python_version()}"
    told = f"python -m benchmarks.answer --times {chosen.times}"
    write_text(RESULTS / "answer.md", f"# An answer from the record\n\n{facts}; `{told}`\n\n{text}\n")
    rows = {"answers": [took._asdict() for took in answers], "nothings": [took._asdict() for took in nothings]}
    write_json(RESULTS / "answer.json", {"facts": facts, "command": told, **rows})


if __name__ == "__main__":
    main()
