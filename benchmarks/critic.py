"""Should the critic share the policy's network? True gain and CPU time of both, on the same seeds.

    python -m benchmarks.critic [--seeds 3] [--into DIR]

Each seed of the embedded world has one workspace per kind of critic, and each runs rounds 0 and 1 with the real command
line. Everything up to the policy step is equal in both. An interrupted run continues. Writes results/critic.{json,md}.
"""

import argparse
import platform
import resource
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.rounds import RESULTS, gains, run
from core.files import read_json, write_json, write_text
from evaluation.statistics.intervals import Interval
from models.measured import POLICY_OBJECTIVE_KL
from tasks.state import records
from tasks.state.workspace import PROJECT, Workspace

KINDS = ("separate", "shared")
ABOUT = "The CPU seconds are those of the rounds 0 and 1 with all their steps, of which learning the policy is one."


class CriticRun(NamedTuple):
    """Round 1 of one seed with one kind of critic."""

    seed: int
    critic: str
    gain: Interval
    """True utility of the candidate minus the champion's"""
    kl: float
    """KL to the reference in nats, at the end of training"""
    learning: float
    """Seconds of the policy step's learning, which other programs can prolong"""
    cpu: float
    """CPU seconds of both rounds, all steps"""
    verdict: str


def measured(folder: Path, seed: int, critic: str) -> CriticRun:
    """Run the round, unless it is finished, and read its record."""
    cpu = _cpu_seconds(folder, seed, critic)
    [gain] = gains(folder, seed)
    record = records.read(Workspace(folder), 1)
    kl = record.metrics[POLICY_OBJECTIVE_KL.full]
    return CriticRun(seed, critic, gain.gain, kl, record.times["policy"].learning, cpu, gain.verdict)


def _cpu_seconds(folder: Path, seed: int, critic: str) -> float:
    """Run the round; the CPU seconds of all its runs add up in a file beside the workspace."""
    file, before = folder.with_suffix(".cpu.json"), _children()
    try:
        run(folder, seed, 1, (f"policy.critic={critic}",))
    finally:
        spent = (float(read_json(file)) if file.exists() else 0.0) + _children() - before
        write_json(file, spent)
    return spent


def _children() -> float:
    """CPU seconds of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(runs: Sequence[CriticRun]) -> str:
    """The runs as Markdown."""
    heads = ("seed", "critic", "true gain (95 %)", "KL", "policy step s", "CPU s", "gain per 100 CPU s", "verdict")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in runs:
        gain = f"{row.gain.estimate:+.2f} ({row.gain.low:+.2f} to {row.gain.high:+.2f})"
        cells = [str(row.seed), row.critic, gain, f"{row.kl:.1f}", f"{row.learning:.0f}", f"{row.cpu:.0f}"]
        cells += [f"{100 * row.gain.estimate / row.cpu:.2f}", row.verdict]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run all seeds, print the table, write the results."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--into", type=Path, default=PROJECT / "data" / "benchmarks" / "critic")
    chosen = options.parse_args()
    runs = [
        measured(chosen.into / f"{critic}-{seed}", seed, critic) for seed in range(chosen.seeds) for critic in KINDS
    ]
    text = f"{table(runs)}\n\n{ABOUT}"
    print(text)
    facts = f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}, CPU, one thread"
    command = f"python -m benchmarks.critic --seeds {chosen.seeds}"
    write_text(RESULTS / "critic.md", f"# A separate or a shared critic\n\n{facts}; `{command}`\n\n{text}\n")
    write_json(
        RESULTS / "critic.json",
        {"facts": facts, "command": command, "runs": [{**row._asdict(), "gain": row.gain._asdict()} for row in runs]},
    )


if __name__ == "__main__":
    main()
