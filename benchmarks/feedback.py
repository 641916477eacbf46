"""How much CPU time and memory do import, ingest and curate need, compared with an older commit?

    python -m benchmarks.feedback --against cf1944c [--records 100000] [--times 3]

Synthetic preferences are written: distinct templated prompts, every tenth judged by two of 20 annotators. Each stage
runs in a process of its own, alternating between the older code and this one, so that other load affects both equally.
CPU time (user and system) is counted from the end of the imports on, memory is the growth of the peak resident set from
then on. `again` is ingest with nothing new; `whole` is import, ingest and curate together. With --large, a file of
300 MB and a folder of 20,000 files are imported too, by this code alone. Writes results/feedback.{json,md}.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

from core.files import write_json, write_text
from tasks.state.workspace import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"
AGAIN, WHOLE = "again", "whole"
STAGES = ("import", "ingest", AGAIN, "curate")
LARGE_BYTES, MANY_FILES = 300_000_000, 20_000

ITEMS = ("kettle", "lamp", "phone", "desk", "rug", "sofa", "mirror", "clock", "fan", "radio", "watch", "chair")
PROBLEMS = ("arrived broken", "never arrived", "has the wrong colour", "makes a noise", "lacks a part", "is too small")
ASKS = ("How do I return it?", "Can I have my money back?", "Who pays for the parcel?", "When will a new one arrive?")
ADVICE = (
    "we are sorry to hear that please send the item back within thirty days and keep the receipt for your records our "
    "team will look at the order and write to you by the end of the week a refund takes five working days after that"
)


class Measured(NamedTuple):
    """One run of one stage."""

    seconds: float
    """CPU time, user and system."""
    bytes: int
    """Growth of the peak resident set."""
    counted: int
    """What the stage counted: waiting records, new events, votes."""


def records() -> Iterator[bytes]:
    """Preferences as JSON lines of about 600 bytes, always the same ones."""
    rng, words, number = Random("feedback"), ADVICE.split(), 0
    while True:
        number += 1
        prompt = f"The {rng.choice(ITEMS)} of order {number} {rng.choice(PROBLEMS)}. {rng.choice(ASKS)}"
        for annotator in rng.sample(range(20), 2 if number % 10 == 0 else 1):
            chosen, rejected = (" ".join(rng.choices(words, k=rng.randint(25, 55))) for _ in range(2))
            record = {"prompt": prompt, "chosen": chosen, "rejected": rejected, "annotator_id": f"person {annotator}"}
            yield json.dumps(record | {"licence": "CC-BY-4.0"}).encode() + b"\n"


def written(path: Path, count: int) -> Path:
    """A file with so many records."""
    with path.open("wb") as stream:
        stream.writelines(islice(records(), count))
    return path


def written_to_size(path: Path, size: int) -> Path:
    """A file of at least this size in bytes."""
    with path.open("wb") as stream:
        for record in records():
            if stream.tell() >= size:
                break
            stream.write(record)
    return path


def written_one_by_one(folder: Path, count: int) -> Path:
    """A folder with so many files of one record."""
    folder.mkdir()
    for number, record in enumerate(islice(records(), count)):
        (folder / f"{number:05d}.jsonl").write_bytes(record)
    return folder


def measure(code: Path, stage: str, workspace: Path, file: Path) -> Measured:
    """Run one stage by the code in a folder."""
    script = str(PROJECT / "benchmarks" / "feedback_stage.py")
    words = [sys.executable, "-P", script, stage, str(workspace), str(file)]  # -P: else `feedback` would be this module
    variables = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=code, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def alternating(codes: Sequence[Path], file: Path, times: int, folder: Path) -> dict[str, list[list[Measured]]]:
    """Stage → for each code, its runs."""
    runs: dict[str, list[list[Measured]]] = {stage: [[] for _ in codes] for stage in STAGES}
    for repeat in range(times):
        for stage in STAGES:
            for number, code in enumerate(codes):
                workspace = folder / f"workspace-{repeat}-{number}"
                runs[stage][number].append(measured := measure(code, stage, workspace, file))
                print(f"{stage:8} {code.name:12} {measured.seconds:8.2f} s {measured.bytes / 1e6:8.0f} MB", flush=True)
        for number in range(len(codes)):
            shutil.rmtree(folder / f"workspace-{repeat}-{number}")
    return runs


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """The code of a commit in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", commit], cwd=PROJECT, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        yield Path(folder)


def ratios(older: Sequence[float], newer: Sequence[float]) -> str:
    """The ratio of the medians, with the smallest and the largest ratio of two runs that were made together."""
    pairs = [new / old for old, new in zip(older, newer, strict=True)]
    return f"{median(newer) / median(older):.2f} ({min(pairs):.2f} to {max(pairs):.2f})"


def whole(runs: dict[str, list[list[Measured]]]) -> list[list[Measured]]:
    """Import, ingest and curate one after the other: the sum of their CPU time, and the highest of their peaks."""
    stages = [runs[stage] for stage in runs if stage != AGAIN]
    return [[_together(each) for each in zip(*(stage[side] for stage in stages), strict=True)] for side in (0, 1)]


def _together(stages: Sequence[Measured]) -> Measured:
    return Measured(sum(run.seconds for run in stages), max(run.bytes for run in stages), stages[0].counted)


def table(runs: dict[str, list[list[Measured]]]) -> str:
    """The comparison as Markdown."""
    lines = ["| stage | CPU s before | now | ratio | MB before | now | ratio |", "|---|---|---|---|---|---|---|"]
    for stage, (older, newer) in {**runs, WHOLE: whole(runs)}.items():
        seconds = [[run.seconds for run in each] for each in (older, newer)]
        megabytes = [[run.bytes / 1e6 for run in each] for each in (older, newer)]
        figures = [f"{median(seconds[0]):.1f}", f"{median(seconds[1]):.1f}", ratios(*seconds)]
        figures += [f"{median(megabytes[0]):.0f}", f"{median(megabytes[1]):.0f}", ratios(*megabytes)]
        lines.append(f"| {stage} | " + " | ".join(figures) + " |")
    return "\n".join(lines)


def reached(runs: dict[str, list[list[Measured]]]) -> str:
    """The stages that need at most a third of what they needed, and the others."""
    lines = []
    for name, ix in (("CPU time", 0), ("memory", 1)):
        ratio = {
            stage: median(run[ix] for run in newer) / median(run[ix] for run in older)
            for stage, (older, newer) in {**runs, WHOLE: whole(runs)}.items()
        }
        within = [stage for stage, value in ratio.items() if value <= 1 / 3]
        beyond = [stage for stage in ratio if stage not in within]
        lines.append(
            f"At most a third of the {name}: {', '.join(within) or 'none'}; more: {', '.join(beyond) or 'none'}."
        )
    return "\n".join(lines)


def large(folder: Path) -> dict[str, Measured]:
    """Imports of one large file and of many small ones, by this code."""
    paths = {
        f"one file of {LARGE_BYTES / 1e6:.0f} MB": written_to_size(folder / "large.jsonl", LARGE_BYTES),
        f"{MANY_FILES:,} files of one record": written_one_by_one(folder / "many", MANY_FILES),
    }
    return {
        name: measure(PROJECT, "import", folder / f"workspace-{ix}", path)
        for ix, (name, path) in enumerate(paths.items())
    }


def large_table(runs: dict[str, Measured]) -> str:
    """The large imports as Markdown."""
    lines = ["| imported | records | CPU s | MB |", "|---|---|---|---|"]
    for name, run in runs.items():
        lines.append(f"| {name} | {run.counted:,} | {run.seconds:.1f} | {run.bytes / 1e6:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print the tables, write the results."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--against", metavar="COMMIT", required=True)
    options.add_argument("--records", type=int, default=100_000)
    options.add_argument("--times", type=int, default=3)
    options.add_argument("--large", action="store_true")
    options.add_argument("--dry-run", action="store_true", help="print only")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, checked_out(chosen.against) as older:
        file = written(Path(folder) / "preferences.jsonl", chosen.records)
        runs = alternating([older, PROJECT], file, chosen.times, Path(folder))
        imports = large(Path(folder)) if chosen.large else {}
    text = "\n\n".join([table(runs), reached(runs), *([large_table(imports)] if imports else [])])
    print(text)
    if chosen.dry_run:
        return
    facts = f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, "
    facts += f"load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}; {chosen.records:,} preferences"
    typed = (
        f"python -m benchmarks.feedback --against {chosen.against} --records {chosen.records} --times {chosen.times}"
    )
    write_text(RESULTS / "feedback.md", f"# Feedback in large amounts\n\n{facts}; `{typed}`\n\n{text}\n")
    stages = {stage: [[run._asdict() for run in each] for each in both] for stage, both in runs.items()}
    large_runs = {name: run._asdict() for name, run in imports.items()}
    write_json(RESULTS / "feedback.json", {"facts": facts, "command": typed, "stages": stages, "large": large_runs})


if __name__ == "__main__":
    main()
