"""How long does a round take that is asked for again with nothing new? It has to answer from its record in under 5 s.

    python -m benchmarks.answer [--times 10] [--into DIR]

Two rounds of the tiny profile are run first, where DIR does not hold them yet. Then the true command is started afresh
`--times` times, in turn with a Python that does nothing, so that what the machine is busy with meets both alike. The
median counts. Writes results/answer.{json,md}.
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
from statistics import median

from core.files import write_json, write_text
from tasks.workspace import PROJECT
from tests.profile import PROMOTE, TINY

RESULTS = PROJECT / "benchmarks" / "results"

LIMIT = 5.0
"""Seconds."""

NOTHING = (sys.executable, "-c", "pass")


def command(place: Path) -> list[str]:
    """The command of a round of the tiny profile."""
    settings = [word for knob in (*TINY, PROMOTE) for word in ("-S", knob)]
    return [sys.executable, "-m", "flows", "round", "--workspace", str(place), *settings]


def seconds(words: Sequence[str]) -> tuple[float, str]:
    """How long a program took from its start to its end, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True)
    return time.perf_counter() - start, done.stdout


def measure(place: Path, times: int) -> tuple[list[float], list[float]]:
    """Seconds of the answers and of the empty program, in the order they were taken.

    Raises:
        RuntimeError: a round ran instead of an answer.
    """
    answers, nothings = [], []
    for _ in range(times):
        took, said = seconds(command(place))
        if "Nothing new since this round" not in said:
            raise RuntimeError(f"no answer from the record:\n{said}")
        answers.append(took)
        nothings.append(seconds(NOTHING)[0])
    return answers, nothings


def table(answers: Sequence[float], nothings: Sequence[float]) -> str:
    """The result as Markdown."""
    rows = [("`python -m flows round`, nothing new", answers), ("`python -c pass`", nothings)]
    lines = ["| command | median s | fastest | slowest | times |", "|---|---|---|---|---|"]
    lines += [f"| {n} | {median(s):.2f} | {min(s):.2f} | {max(s):.2f} | {len(s)} |" for n, s in rows]
    kept = "kept" if max(answers) < LIMIT else "NOT kept"
    return "\n".join([*lines, "", f"Under {LIMIT:.0f} s each time: {kept}."])


def main() -> None:
    """Measure, print the table, keep the results."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--times", type=int, default=10)
    options.add_argument("--into", type=Path, default=PROJECT / "data" / "benchmarks" / "answer")
    chosen = options.parse_args()
    seconds(command(chosen.into))
    answers, nothings = measure(chosen.into, chosen.times)
    text = table(answers, nothings)
    print(text)
    today, cores = f"{datetime.now(UTC):%Y-%m-%d}", os.cpu_count()
    facts = f"{today}, {platform.machine()}, {cores} cores, Python {platform.python_version()}"
    told = f"python -m benchmarks.answer --times {chosen.times}"
    write_text(RESULTS / "answer.md", f"# An answer from the record\n\n{facts}; `{told}`\n\n{text}\n")
    write_json(RESULTS / "answer.json", {"facts": facts, "command": told, "answers": answers, "nothings": nothings})


if __name__ == "__main__":
    main()
