"""Does a round improve a real chat model? Rounds of the preset `real`, with answers before and after.

    python -m benchmarks.real_model [--seeds 1] [--rounds 2] [--set KEY=VALUE …] [--into DIR]

Each seed has its own workspace and uses the real command line, with the base model from PyPI. A rule with a known
utility votes; no person does. The candidate and the champion of each round are compared on 250 held-out prompts; no
gate uses the utility. `--set model.dtype=float32` runs all rounds with another setting. An interrupted run continues.
Writes results/real_model.{json,md}.
"""

import argparse
import platform
import resource
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

import torch

from benchmarks.rounds import RESULTS, Gain, gains, pooled, run, table
from core.files import read_json, write_json, write_text
from evaluation.evals.answers import LENGTH_RATIO
from evaluation.evals.true_utility import CHAMPION_COMPONENT, COMPONENT
from feedback.rules.readable import Readable
from tasks.state import records, tables
from tasks.state.round import salt_of_seed
from tasks.state.workspace import PROJECT, Workspace

BASE = "smollm2"
SHOWN = 6
"""Prompts whose answers are shown."""


class ShownAnswers(NamedTuple):
    """The answers to a held-out prompt in one round."""

    round: int
    prompt: str
    champion: str
    candidate: str


class RealRound(NamedTuple):
    """One round of one seed."""

    gain: Gain
    length_ratio: float
    components: dict[str, tuple[float, float]]
    """Component of the rule → share of answers in which it holds: champion's, candidate's."""


def prepared(folder: Path, seed: int) -> None:
    """Make the workspace and fetch the base model, unless it was done before."""
    if not (folder / "params.yaml").exists():
        typed("init", str(folder), "--preset", "real", "--salt", salt_of_seed(seed))
    typed("base", "fetch", BASE, "-w", str(folder))


def typed(*words: str) -> None:
    """Run `rounds …` in a process of its own."""
    subprocess.run([sys.executable, "-m", "cli", *words], cwd=PROJECT, check=True)


def machine() -> str:
    """When and on what a round of the preset runs, for the results."""
    processor = f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
    return f"{datetime.now(UTC):%Y-%m-%d}, {processor}, two cores, torch {torch.__version__}"


def real_rounds(folder: Path, seed: int) -> list[RealRound]:
    """The rounds of a workspace, from round 1 on."""
    return [_real_round(folder, gain) for gain in gains(folder, seed)]


def _real_round(folder: Path, gain: Gain) -> RealRound:
    numbers = records.read(Workspace(folder), gain.round).metrics
    components = {
        name: (numbers[f"evaluate/{CHAMPION_COMPONENT.of(name)}"], numbers[f"evaluate/{COMPONENT.of(name)}"])
        for name in Readable.components
    }
    return RealRound(gain, numbers[LENGTH_RATIO.full], components)


def shown_answers(folder: Path, number: int) -> list[ShownAnswers]:
    """The answers of the round that ran last to the first of its held-out prompts; they stay beside the workspace."""
    file = folder / f"answers-{number}.json"
    if not file.exists():
        columns = ("prompt", "champion_texts", "candidate_texts")
        rows = list(tables.columns(Workspace(folder).sampled, *columns))[:SHOWN]
        write_json(file, [ShownAnswers(number, *row)._asdict() for row in rows])
    return [ShownAnswers(**row) for row in read_json(file)]


def details(results: Sequence[RealRound]) -> str:
    """Length ratio and components of the rule as Markdown."""
    names = list(Readable.components)
    lines = ["| seed | round | length ratio | " + " | ".join(f"`{name}`" for name in names) + " |"]
    lines.append("|---|---|---|" + "---|" * len(names))
    for one in results:
        shares = [f"{before:.0%} → {after:.0%}" for before, after in (one.components[name] for name in names)]
        lines.append(f"| {one.gain.seed} | {one.gain.round} | {one.length_ratio:.2f} | {' | '.join(shares)} |")
    return "\n".join(lines)


def examples(answers: Sequence[ShownAnswers]) -> str:
    """Answers before and after as Markdown quotations."""
    parts = []
    for answer in answers:
        parts.append(f"### Round {answer.round}: {answer.prompt}")
        for who, text in (("Champion", answer.champion), ("Candidate", answer.candidate)):
            lines = [part for line in text.strip().splitlines() for part in wrap(line, 118) or [""]]
            quoted = "\n".join(f"> {line}".rstrip() for line in lines) or "> (empty)"
            parts.append(f"{who}:\n\n{quoted}")
    return "\n\n".join(parts)


def main() -> None:
    """Run all seeds, print the tables, write the results."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="settings")
    options.add_argument("--into", type=Path, default=PROJECT / "data" / "benchmarks" / "real_model")
    chosen = options.parse_args()
    results: list[RealRound] = []
    answers: list[ShownAnswers] = []
    for seed in range(chosen.seeds):
        folder = chosen.into / f"seed-{seed}"
        prepared(folder, seed)
        for number in range(1, chosen.rounds + 1):
            run(folder, seed, number, chosen.settings)
            answers += shown_answers(folder, number) if seed == 0 else []
        results += real_rounds(folder, seed)
    settings = " ".join(["--set", *chosen.settings]) if chosen.settings else ""
    options_typed = f"--seeds {chosen.seeds} --rounds {chosen.rounds} {settings}".rstrip()
    write(results, answers, f"python -m benchmarks.real_model {options_typed}")


def write(results: Sequence[RealRound], answers: Sequence[ShownAnswers], command: str) -> None:
    """Print the tables and write the results."""
    gigabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
    facts = f"{machine()}; at most {gigabytes:.1f} GB resident"
    text = f"{table([one.gain for one in results])}\n\n{details(results)}"
    print(text)
    write_text(
        RESULTS / "real_model.md",
        f"# Rounds on a real chat model (SmolLM2-135M-Instruct)\n\n{facts}; `{command}`\n\nA rule votes, no person.\n\n"
        f"{text}\n\n## Answers before and after\n\nThe first held-out prompts of each round of seed 0.\n\n"
        f"{examples(answers)}\n",
    )
    rows = [{**one._asdict(), "gain": {**one.gain._asdict(), "gain": one.gain.gain._asdict()}} for one in results]
    mean = pooled([one.gain for one in results])._asdict()
    write_json(RESULTS / "real_model.json", {"facts": facts, "command": command, "rounds": rows, "pooled": mean})


if __name__ == "__main__":
    main()
