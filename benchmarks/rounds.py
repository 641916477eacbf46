"""Do rounds improve the model? True gain of each round over the previous one in the embedded world, over several seeds.

    python -m benchmarks.rounds [--seeds 3] [--rounds 2] [--into DIR]

Each seed has its own workspace and uses the real command line. The candidate and the champion of each round are
compared on 512 held-out prompts by the utility of the simulated annotator; no gate uses it. An interrupted run
continues. Writes results/rounds.{json,md,png}.
"""

import argparse
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from core.files import write_json, write_text
from evaluation.evals.true_utility import TRUE_GAIN, TRUE_UTILITY, TRUE_UTILITY_CHAMPION
from evaluation.evals.votes import WIN_RATE
from evaluation.statistics.intervals import Interval
from models.measured import SAMPLE_PROMPTS
from tasks.state import choosing, records
from tasks.state.records import RoundRecord
from tasks.state.round import salt_of_seed
from tasks.state.workspace import PROJECT, Workspace

RESULTS = PROJECT / "benchmarks" / "results"


class Gain(NamedTuple):
    """The result of one round of one seed."""

    seed: int
    round: int
    before: float
    after: float
    gain: Interval
    win_rate: float
    verdict: str
    learning: float
    wall: float


def run(folder: Path, seed: int, rounds: int, settings: Sequence[str] = ()) -> None:
    """Run a workspace up to round `rounds`."""
    if not folder.exists():
        choosing.new(folder, salt=salt_of_seed(seed))
    options = [word for setting in (f"seed={seed}", *settings) for word in ("-S", setting)]
    while max(records.numbers(Workspace(folder)), default=-1) < rounds:
        command = [sys.executable, "-m", "cli", "round", "--new", "--workspace", str(folder), *options]
        subprocess.run(command, cwd=PROJECT, check=True)


def gains(folder: Path, seed: int) -> list[Gain]:
    """The rounds of a workspace, from round 1 on."""
    workspace = Workspace(folder)
    return [_gain(records.read(workspace, number), seed) for number in records.numbers(workspace) if number]


def _gain(record: RoundRecord, seed: int) -> Gain:
    numbers, times = record.metrics, record.times.values()
    gain, low, high = (numbers[f"{TRUE_GAIN.full}{end}"] for end in ("", "_low", "_high"))
    return Gain(
        seed=seed,
        round=record.number,
        before=numbers[TRUE_UTILITY_CHAMPION.full],
        after=numbers[TRUE_UTILITY.full],
        gain=Interval(gain, low, high, int(numbers[SAMPLE_PROMPTS.full])),
        win_rate=numbers[WIN_RATE.full],
        verdict=record.verdict.result,
        learning=sum(spent.learning for spent in times),
        wall=sum(spent.wall for spent in times),
    )


def pooled(results: Sequence[Gain]) -> Interval:
    """Mean gain over seeds with equal weights; the interval combines those of the seeds, which are independent."""
    estimate = float(np.mean([gain.gain.estimate for gain in results]))
    spread = float(np.sqrt(sum(((gain.gain.high - gain.gain.low) / 2) ** 2 for gain in results))) / len(results)
    return Interval(estimate, estimate - spread, estimate + spread, sum(gain.gain.n for gain in results))


def table(results: Sequence[Gain]) -> str:
    """The result as Markdown."""
    lines = ["| seed | round | before | after | true gain (95 %) | win rate | verdict | learning s | steps s |"]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for g in results:
        gain = f"{g.gain.estimate:+.2f} ({g.gain.low:+.2f} to {g.gain.high:+.2f})"
        row = [g.seed, g.round, f"{g.before:.2f}", f"{g.after:.2f}", gain, f"{g.win_rate:.1%}", g.verdict]
        lines.append("| " + " | ".join(map(str, [*row, f"{g.learning:.0f}", f"{g.wall:.0f}"])) + " |")
    lines += ["", "| round | pooled true gain (95 %) | promoted |", "|---|---|---|"]
    for number in sorted({g.round for g in results}):
        these = [g for g in results if g.round == number]
        p = pooled(these)
        promoted = sum(g.verdict == "promote" for g in these)
        lines.append(f"| {number} | {p.estimate:+.2f} ({p.low:+.2f} to {p.high:+.2f}) | {promoted} of {len(these)} |")
    worse = [g for g in results if g.verdict == "promote" and g.gain.high < 0]
    lines += ["", f"Promoted versions significantly below their predecessor: {len(worse)}."]
    return "\n".join(lines)


def plot(results: Sequence[Gain]) -> Figure:
    """Utility over rounds, one line per seed; hollow points were not promoted."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel="round", ylabel="true utility of the candidate", xticks=sorted({0, *(g.round for g in results)}))
    axes.spines[["top", "right"]].set_visible(False)
    for seed in sorted({g.seed for g in results}):
        path = [g for g in results if g.seed == seed]
        xs, ys = [0, *(g.round for g in path)], [path[0].before, *(g.after for g in path)]
        (line,) = axes.plot(xs, ys, label=f"seed {seed}")
        for g in path:
            face = line.get_color() if g.verdict == "promote" else "white"
            axes.plot(g.round, g.after, marker="o", markerfacecolor=face, color=line.get_color())
    axes.legend(frameon=False)
    return figure


def main() -> None:
    """Run all seeds, print the table, write the results."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--into", type=Path, default=PROJECT / "data" / "benchmarks" / "rounds")
    chosen = options.parse_args()
    results: list[Gain] = []
    for seed in range(chosen.seeds):
        folder = chosen.into / f"seed-{seed}"
        run(folder, seed, chosen.rounds)
        results += gains(folder, seed)
    text = table(results)
    print(text)
    facts = f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}, CPU, one thread"
    command = f"python -m benchmarks.rounds --seeds {chosen.seeds} --rounds {chosen.rounds}"
    write_text(
        RESULTS / "rounds.md", f"# True gain of rounds in the embedded world\n\n{facts}; `{command}`\n\n{text}\n"
    )
    rows = [{**g._asdict(), "gain": g.gain._asdict()} for g in results]
    write_json(RESULTS / "rounds.json", {"facts": facts, "command": command, "rounds": rows})
    plot(results).savefig(RESULTS / "rounds.png", dpi=120)


if __name__ == "__main__":
    main()
