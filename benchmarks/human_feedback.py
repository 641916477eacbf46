"""A round of a real chat model on votes of real people: what does its reward model learn from them?

    python -m benchmarks.human_feedback [--data FOLDER] [--steps 4] [--into DIR]

The data are the 999 answer pairs of PandaLM's test set with the votes of three named annotators (Apache-2.0), in
`FOLDER/testset-v1.json`. They are imported with three maps, one an annotator, and one round of the preset `real` runs
on them with the real command line; nobody votes on its answers, so its verdict is hold. The table has the accuracy of
the reward model on held-out pairs beside simple baselines and the agreement of the annotators. An interrupted run
continues. Writes results/human_feedback.{json,md}.
"""

import argparse
import os
from pathlib import Path

from benchmarks.real_model import machine, prepared, typed
from benchmarks.rounds import RESULTS
from core.files import write_json, write_text
from core.metrics import Metric
from evaluation.evals.reward_model import (
    JUDGE_ACCURACY,
    LONGER_WINS,
    REWARD_ACCURACY,
    REWARD_CEILING,
    REWARD_OVER_LENGTH,
    REWARD_PAIRS,
    WORDS_ACCURACY,
)
from tasks.state import records
from tasks.state.records import RoundRecord
from tasks.state.workspace import PROJECT, Workspace

DATA = Path(os.environ.get("RLHF_REAL_DATA", PROJECT.parent / "shared" / "data")) / "pandalm_human"
MAP = """prompt: [instruction, input]
answers: [response1, response2]
winner: {{path: annotator{number}, values: {{1: 0, 2: 1, 0: tie}}}}
constant: {{annotator_id: pandalm-{number}}}
"""
SETTINGS = (
    *("ingest.sources=[]", "vote.annotator=null"),  # the feedback is imported, and nobody votes on the answers
    *("model.max_prompt_tokens=128", "model.max_answer_tokens=96"),  # three quarters of the texts are not cut
    "reward.batch=8",  # prompts, with two answers each
    "curate.split={train: 0.6, judge: 0.1, holdout: 0.3}",
)
ROWS: tuple[tuple[str, Metric], ...] = (
    ("reward model", REWARD_ACCURACY),
    ("judge model, trained on a tenth of the pairs", JUDGE_ACCURACY),
    ("logistic regression on words", WORDS_ACCURACY),
    ("the longer answer wins", LONGER_WINS),
    ("reward model minus the better of longer and shorter", REWARD_OVER_LENGTH),
)


def imported(folder: Path, data: Path) -> None:
    """Import the votes of each annotator, unless it was done before."""
    for number in (1, 2, 3):
        file = folder / f"annotator{number}.yaml"
        if file.exists():
            continue
        draft = folder / "map.yaml"
        write_text(draft, MAP.format(number=number))
        copied = folder / "testset-v1.json"  # the list of rejected records is written beside the file
        copied.write_bytes((data / copied.name).read_bytes())
        words = ("--map", str(draft), "--skip-bad", "--licence", "Apache-2.0", "-w", str(folder))
        typed("feedback", "import", str(copied), *words)
        draft.rename(file)


def round_1(folder: Path, settings: tuple[str, ...]) -> RoundRecord:
    """The record of round 1, which is run unless it is finished."""
    workspace = Workspace(folder)
    while max(records.numbers(workspace), default=-1) < 1:
        typed("round", "-w", str(folder), *(word for setting in settings for word in ("-S", setting)))
    return records.read(workspace, 1)


def table(record: RoundRecord) -> str:
    """The accuracies as Markdown."""
    numbers = record.metrics
    lines = ["| on held-out pairs | accuracy (95 %) |", "|---|---|"]
    for name, metric in ROWS:
        value, low, high = (numbers[f"{metric.full}{end}"] for end in ("", "_low", "_high"))
        lines.append(f"| {name} | {value:.3f} ({low:.3f} to {high:.3f}) |")
    lines.append(
        f"| ceiling from the agreement of the annotators | {numbers.get(REWARD_CEILING.full, float('nan')):.3f} |"
    )
    lines += ["", f"{numbers[REWARD_PAIRS.full]:.0f} held-out pairs without ties; verdict: {record.verdict.result}."]
    return "\n".join(lines)


def main() -> None:
    """Run the round, print the table, write the results."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, default=DATA)
    options.add_argument("--steps", type=int, default=4)
    options.add_argument("--into", type=Path, default=PROJECT / "data" / "benchmarks" / "human_feedback")
    chosen = options.parse_args()
    prepared(chosen.into, 0)
    imported(chosen.into, chosen.data)
    record = round_1(chosen.into, (*SETTINGS, f"policy.steps={chosen.steps}"))
    text = table(record)
    print(text)
    facts = machine()
    command = f"python -m benchmarks.human_feedback --steps {chosen.steps}"
    title = "# A reward model from the votes of people (PandaLM, SmolLM2-135M-Instruct)"
    write_text(RESULTS / "human_feedback.md", f"{title}\n\n{facts}; `{command}`\n\n{text}\n")
    numbers = {name: value for name, value in record.metrics.items() if name.startswith(("evaluate/", "reward/"))}
    write_json(RESULTS / "human_feedback.json", {"facts": facts, "command": command, "metrics": numbers})


if __name__ == "__main__":
    main()
