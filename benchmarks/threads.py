"""How long should a thread of OpenMP spin while it waits? Two threads, on a quiet and on a busy machine.

    python -m benchmarks.threads [--times 5]

Each setting of GOMP_SPINCOUNT runs in a process of its own, in turn: products of the shapes of a 135M chat model, while
a token is sampled for 16 and 48 answers, and in a forward pass of 700 tokens. Busy means one more computing process per
core. Writes results/threads.md.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median

from core.files import write_text
from tasks.state.workspace import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"
SPINS = ("0", "1000", "10000", "100000", "300000")
"""The largest is close to what OpenMP does by default."""
ROWS = (16, 48, 700)
THREADS = 2


def milliseconds() -> list[float]:
    """Time of one product of each shape, (rows, 576) with (576, 1536), in this process."""
    import torch  # OpenMP reads its variables when it is loaded

    torch.set_num_threads(THREADS)
    weights, times = torch.randn(1536, 576), []
    for rows in ROWS:
        inputs, count = torch.randn(rows, 576), 20_000 // rows
        for repeat in (count // 10, count):
            start = time.perf_counter()
            for _ in range(repeat):
                torch.nn.functional.linear(inputs, weights)
        times.append(1000 * (time.perf_counter() - start) / count)
    return times


def measured(spin: str) -> list[float]:
    """`milliseconds` of a new process with this setting."""
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": spin}
    run = [sys.executable, "-m", "benchmarks.threads", "--once"]
    printed = subprocess.run(run, env=environment, capture_output=True, text=True, check=True, cwd=PROJECT).stdout
    return [float(word) for word in printed.split()]


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Inside, so many other processes compute."""
    program = "import torch; torch.set_num_threads(1); a = torch.randn(1000, 1000)\nwhile True: a @ a"
    others = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(processes)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def rows(name: str, times: int) -> list[str]:
    """One line of the table for each setting: median and range over `times` processes."""
    results: dict[str, list[list[float]]] = {spin: [] for spin in SPINS}
    for _ in range(times):
        for spin in SPINS:
            results[spin].append(measured(spin))
    return [
        f"| {name} | {spin} | {' | '.join(map(_cell, zip(*runs, strict=True)))} |" for spin, runs in results.items()
    ]


def _cell(values: Sequence[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    """Measure all settings on both machines, print and write the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--times", type=int, default=5)
    options.add_argument("--once", action="store_true", help="print the times of this process")
    chosen = options.parse_args()
    if chosen.once:
        print(*milliseconds())
        return
    lines = ["| machine | GOMP_SPINCOUNT | " + " | ".join(f"{count} rows, ms" for count in ROWS) + " |"]
    lines += ["|---|---|" + "---|" * len(ROWS), *rows("quiet", chosen.times)]
    with busy(os.cpu_count() or 1):
        lines += rows("busy", chosen.times)
    facts = f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, {THREADS} threads"
    text = "\n".join(lines)
    print(text)
    write_text(RESULTS / "threads.md", f"# Spinning of waiting threads\n\n{facts}; median (range)\n\n{text}\n")


if __name__ == "__main__":
    main()
