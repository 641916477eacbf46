"""What `model.compact_memory` costs in time and saves in memory: training steps and sampling with it and without.

    python -m benchmarks.allocation [--shapes .3M 6M 30M .1B] [--times 3]

Each measurement is a process of its own, as in benchmarks/memory.py; the two settings take turns. Full fine-tuning,
float32, one thread. Writes results/allocation.{json,md}.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch

from benchmarks.memory import CASES, Case, Peak, in_child, make, prepared, run_step, warm_up
from core.files import write_json, write_text
from tasks.state.workspace import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"
STEPS = ("sft", "policy", "sample")


class Cost(NamedTuple):
    """One step with one setting."""

    shape: str
    step: str
    compact: bool
    cpu: float
    """CPU seconds."""
    peak: int
    """Bytes at the peak above those before the step."""


def cost_of(shape: str, step: str, compact: bool) -> Cost:
    """Run one step in this process."""
    torch.set_num_threads(1)
    case: Case = CASES[shape]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "base"
        in_child(make, source, case.config)
        warm_up("full", step, Path(folder) / "tiny", compact)
        ready = prepared(case, "full", source, compact)
        with Peak(every=0.02) as peak:
            before = time.process_time()
            run_step(case, step, ready)
            spent = time.process_time() - before
    return Cost(shape, step, compact, spent, peak.bytes)


def report(costs: Sequence[Cost]) -> str:
    """Medians, and ratios with and without, as Markdown; a ratio has its smallest and largest."""
    heads = ("shape", "step", "pairs", "CPU s: usual", "compact", "compact / usual", "MB: usual", "compact", "ratio")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for shape, step in dict.fromkeys((cost.shape, cost.step) for cost in costs):
        usual, compact = (
            [cost for cost in costs if (cost.shape, cost.step, cost.compact) == (shape, step, wanted)]
            for wanted in (False, True)
        )
        times = [a.cpu / b.cpu for a, b in zip(compact, usual, strict=True)]
        seconds = [f"{median(cost.cpu for cost in side):.2f}" for side in (usual, compact)]
        bytes_ = [median(cost.peak for cost in side) for side in (usual, compact)]
        cells = [shape, step, str(len(times)), *seconds]
        cells += [f"{median(times):.2f} ({min(times):.2f} to {max(times):.2f})"]
        cells += [*(f"{count / 1e6:,.0f}" for count in bytes_), f"{bytes_[1] / bytes_[0]:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, write the results."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--shapes", nargs="+", choices=CASES, default=list(CASES))
    options.add_argument("--times", type=int, default=3)
    chosen = options.parse_args()
    costs = [
        in_child(cost_of, shape, step, compact)
        for shape in chosen.shapes
        for step in STEPS
        for _ in range(chosen.times)
        for compact in (False, True)
    ]
    text = report(costs)
    print(text)
    facts = f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()} CPU, one thread, load {os.getloadavg()[0]:.1f}, torch "
    facts += torch.__version__
    command = "python -m benchmarks.allocation"
    about = "Full fine-tuning in float32; two microbatches of full length. `compact` is `model.compact_memory`."
    title = "# Time and memory with compact memory"
    write_text(RESULTS / "allocation.md", f"{title}\n\n{facts}; `{command}`\n\n{about}\n\n{text}\n")
    write_json(
        RESULTS / "allocation.json",
        {"facts": facts, "command": command, "costs": [cost._asdict() for cost in costs]},
    )


if __name__ == "__main__":
    main()
