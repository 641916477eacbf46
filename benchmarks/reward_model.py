"""Training of the reward model against the RewardTrainer of TRL 1.10.0: pairs per second at equal accuracy, and memory.

    python -m benchmarks.reward_model --trl FOLDER [--shapes .3M 30M] [--answers 2 4] [--times 2] [--memory 50000]

The pairs are those of the embedded world, by true utility: all pairs of K answers to a prompt, so that K = 4 gives six
pairs. TRL takes each pair by itself; here each answer is encoded once, and without a likelihood term each prompt too.
Both start from one model, take the same number of pairs a step and the same learning rate, schedule, centring and
epochs, in float32 with one thread, and alternate, each measurement in a process of its own. At .3M the model was
trained on demonstrations before, and the accuracy is that on held-out pairs; at 30M it is random, and only the speed
counts. `--memory` measures what the tokenised pairs occupy. Writes results/reward_model.{json,md}; what is not measured
now stays in it.
"""

import argparse
import gc
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from textwrap import fill
from typing import Any, NamedTuple

import pyarrow as pa
import torch
import transformers
from datasets import Dataset
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from benchmarks import ppo, trl_library, world
from benchmarks.memory import Peak, in_child, private
from core.files import read_json, write_json, write_text
from models import pairs as comparisons
from models import reward
from models.policy import Policy
from models.reward import RewardSettings
from models.tokenizer import load as load_tokenizer
from tasks.state.tables import load as load_table
from tasks.state.tables import write as write_table
from tasks.state.workspace import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"
SIDES = ("ours", "TRL", "ours, with likelihood")
LIMITS = world.LIMITS.max_prompt_tokens, world.LIMITS.max_answer_tokens
HOLDOUT = 1000
"""Held-out pairs, one a prompt."""


class Case(NamedTuple):
    """How much is learned from."""

    pairs: int
    prompts: int
    """Prompts of a minibatch with K = 2; a sixth of it times 6 pairs with K = 4."""
    epochs: int


CASES = {".3M": Case(pairs=3072, prompts=48, epochs=2), "30M": Case(pairs=96, prompts=48, epochs=1)}
DEMONSTRATIONS = 4000
FASTER = {2: 1.5, 4: 2.5}
"""Target: pairs per second of ours divided by those of TRL."""


class Speed(NamedTuple):
    """One training."""

    shape: str
    answers: int
    """K, the answers to each prompt."""
    side: str
    training: float
    """CPU seconds of all steps."""
    tokenising: float
    """CPU seconds."""
    normalising: float
    """CPU seconds of the pass after training that TRL has not: mean and standard deviation of all scores."""
    pairs: int
    """Pairs times epochs."""
    accuracy: float
    """Share of held-out pairs whose chosen answer has the higher score."""

    @property
    def rate(self) -> float:
        """Pairs per CPU second of training."""
        return self.pairs / self.training


class Held(NamedTuple):
    """What tokenised pairs occupy, in bytes of private memory above that before."""

    side: str
    pairs: int
    resident: int
    peak: int
    seconds: float
    """CPU seconds of tokenising."""


def per_prompt(answers: int) -> int:
    """Pairs of some answers."""
    return answers * (answers - 1) // 2


def settings(case: Case, answers: int, likelihood: float) -> RewardSettings:
    """The settings of ours, with as many pairs a step for every number of answers."""
    return RewardSettings(epochs=case.epochs, batch=case.prompts // per_prompt(answers), likelihood=likelihood)


def ours(base: Path, rows: Sequence[world.Row], knobs: RewardSettings, holdout: Sequence[world.Row]) -> list[float]:
    """CPU seconds of training, tokenising and normalising, and the accuracy."""
    policy = Policy.load(base)
    start = time.process_time()
    comparisons.encode(policy.tokenizer, rows, *LIMITS)
    tokenising = time.process_time() - start
    start = time.process_time()
    steps: list[float] = []
    model = reward.fit(policy, rows, knobs, world.LIMITS, 0, lambda *_: steps.append(time.process_time()))
    normalising = time.process_time() - steps[-1]
    training = steps[-1] - start - tokenising
    return [training, tokenising, normalising, float((model.margins(holdout) > 0).mean())]


def trainer_of(base: Path, data: Dataset, knobs: RewardSettings, batch: int, output: Path) -> Any:
    """TRL's trainer, with the settings of ours. It tokenises the data."""
    trl = trl_library.load("trl")
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1, dtype=torch.float32)
    arguments = trl.RewardConfig(
        output_dir=str(output),
        per_device_train_batch_size=batch,
        num_train_epochs=knobs.epochs,
        learning_rate=knobs.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=knobs.warm_up,  # a share
        max_grad_norm=knobs.gradient_clip,
        center_rewards_coefficient=knobs.centring,
        max_length=sum(LIMITS),
        optim="adamw_torch_fused",
        logging_strategy="no",
        **trl_library.PLAIN,
    )
    return trl.RewardTrainer(model=model, args=arguments, train_dataset=data, processing_class=load_tokenizer(base))


def conversations(rows: Sequence[world.Row]) -> Dataset:
    """The rows in the format of TRL."""
    columns: dict[str, list[Any]] = {"prompt": [row["prompt"] for row in rows]}
    for side in ("chosen", "rejected"):
        columns[side] = [[{"role": "assistant", "content": row[side]}] for row in rows]
    return Dataset.from_dict(columns)


def theirs(
    base: Path, rows: Sequence[world.Row], knobs: RewardSettings, holdout: Sequence[world.Row], batch: int, output: Path
) -> list[float]:
    """As `ours`, with TRL."""
    data = conversations(rows)
    start = time.process_time()
    trainer = trainer_of(base, data, knobs, batch, output)
    tokenising = time.process_time() - start
    start = time.process_time()
    trainer.train()
    return [time.process_time() - start, tokenising, 0.0, accuracy(trainer.model.eval(), base, holdout)]


@torch.no_grad()
def accuracy(model: Any, base: Path, holdout: Sequence[world.Row]) -> float:
    """Share of the pairs whose chosen answer has the higher score from a sequence classifier."""
    tokenizer = load_tokenizer(base)
    encoded = comparisons.encode(tokenizer, holdout, *LIMITS)
    right = 0
    for part in encoded.all_parts(8192, tokenizer.pad_token_id):
        scores: Tensor = model(input_ids=part.texts.ids, attention_mask=part.texts.mask.long()).logits.squeeze(-1)
        right += int((scores[part.chosen] > scores[part.rejected]).sum())
    return right / len(holdout)


def run(shape: str, answers: int, side: str, base: Path, library: Path) -> Speed:
    """Measure one training, in this process."""
    trl_library.quiet()
    case = CASES[shape]
    rows = world.pairs(case.pairs // per_prompt(answers), answers, 0)
    holdout = world.pairs(HOLDOUT if shape == ".3M" else 2, 2, world.HELD_OUT)
    knobs = settings(case, answers, 0.2 if side == "ours, with likelihood" else 0.0)
    with tempfile.TemporaryDirectory() as output:
        train = ours
        if side == "TRL":
            trl_library.find(library)
            train = partial(theirs, batch=knobs.batch * per_prompt(answers), output=Path(output))
        train(base.parent / "tiny", rows[:24], knobs, holdout[:2])
        training, tokenising, normalising, share = train(base, rows, knobs, holdout)
    return Speed(shape, answers, side, training, tokenising, normalising, len(rows) * case.epochs, share)


def held(side: str, count: int, base: Path, library: Path) -> Held:
    """What the tokenised pairs of a table on disk occupy, in this process."""
    trl_library.quiet()
    tokenizer = load_tokenizer(base)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_child(_write_pairs, folder, count, side)
        data = load_table(folder / "pairs.arrow")
        if side == "TRL":
            trl_library.find(library)
            trainer_of(base, conversations(world.pairs(2, 2, 1)), RewardSettings(), 2, folder)
        else:
            comparisons.encode(tokenizer, world.pairs(2, 2, 1), *LIMITS)
        gc.collect()
        before, start = private(), time.process_time()
        with Peak(private) as peak:
            if side == "TRL":
                kept: Any = trainer_of(base, data, RewardSettings(), 2, folder).train_dataset
            else:
                kept = comparisons.encode(tokenizer, data, *LIMITS)
        spent = time.process_time() - start
        gc.collect()
        resident = private() - before
        del kept
    return Held(side, count, resident, peak.bytes, spent)


def _write_pairs(folder: Path, count: int, side: str) -> None:
    rows = world.pairs(count, 2, 0)
    data = conversations(rows).to_list() if side == "TRL" else rows
    write_table(folder / "pairs.arrow", pa.Table.from_pylist(data))


def ratios(ours: Sequence[Speed], theirs: Sequence[Speed]) -> list[float]:
    """Pairs per second of ours divided by those of TRL, of each pair of trainings."""
    return [own.rate / peer.rate for own, peer in zip(ours, theirs, strict=False)]


def table(rows: Sequence[Speed]) -> str:
    """Pairs per second as Markdown, medians, with the range of the ratios."""
    heads = ["shape", "K", "side", "pairs / CPU s", "TRL", "ours / TRL", "accuracy", "TRL"]
    heads += ["tokenising, pairs / CPU s", "TRL", "normalising, share of training"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for ours, theirs in trl_library.compared(rows, SIDES):
        first, times = ours[0], ratios(ours, theirs)
        cells = [first.shape, str(first.answers), first.side]
        cells += [f"{median(row.rate for row in side):.1f}" for side in (ours, theirs)]
        cells.append(f"{median(times):.2f} ({min(times):.2f} to {max(times):.2f}, n = {len(times)})")
        trained = first.shape == ".3M"
        cells += [f"{median(row.accuracy for row in side):.3f}" if trained else "–" for side in (ours, theirs)]
        epochs = CASES[first.shape].epochs
        cells += [f"{median(row.pairs / epochs / row.tokenising for row in side):,.0f}" for side in (ours, theirs)]
        cells.append(f"{median(row.normalising / row.training for row in ours):.0%}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def targets(rows: Sequence[Speed]) -> str:
    """Each target, and whether it was met."""
    lines = []
    for ours, theirs in trl_library.compared(rows, SIDES):
        first, ratio = ours[0], median(ratios(ours, theirs))
        if first.side == "ours":
            met = "met" if ratio >= FASTER[first.answers] else "not met"
            goal = f"at least {FASTER[first.answers]} × the pairs per second of TRL"
            lines.append(f"- {first.shape}, K = {first.answers}: {goal}: {met} ({ratio:.2f}).")
    return "\n".join(lines)


def memory_table(rows: Sequence[Held]) -> str:
    """What the tokenised pairs occupy, as Markdown."""
    lines = ["| side | pairs | MB afterwards | MB at the peak | tokenising, CPU s |", "|---" * 5 + "|"]
    lines += [
        f"| {row.side} | {row.pairs:,} | {row.resident / 1e6:.0f} | {row.peak / 1e6:.0f} | {row.seconds:.0f} |"
        for row in rows
    ]
    return "\n".join(lines)


def report(speeds: Sequence[Speed], memory: Sequence[Held], facts: str) -> str:
    """The measurements as a page."""
    command = "python -m benchmarks.reward_model --trl FOLDER"
    about = f"""Pairs of the embedded world by true utility; the same model, pairs a step, learning rate, schedule and
        epochs on both sides, float32. .3M: {CASES[".3M"].pairs} pairs, {CASES[".3M"].epochs} epochs, after SFT on
        {DEMONSTRATIONS} demonstrations; the accuracy is that on {HOLDOUT} held-out pairs. 30M: a random model,
        {CASES["30M"].pairs} pairs. `ours` is the head alone, as TRL's; with likelihood is the default of a model from
        scratch. Tokenising, and the pass that normalises the scores, are not part of pairs / CPU s. A ratio is the
        median, with the smallest and the largest."""
    about = fill(" ".join(about.split()), 120)
    held = "Private memory above that before, the pairs being a table on disk. TRL keeps tokenised pairs in files."
    parts = [f"# Reward model beside TRL\n\n{facts};\n`{command}`", about, table(speeds), targets(speeds)]
    return "\n\n".join([*parts, "## Memory of tokenised pairs", held, memory_table(memory)]) + "\n"


def _store(speeds: Sequence[Speed], memory: Sequence[Held]) -> None:
    """Add measurements to the results; those of the same kind are replaced."""
    file = RESULTS / "reward_model.json"
    old = read_json(file) if file.exists() else {"speeds": [], "memory": []}
    again = {row[:3] for row in speeds}, {row[:2] for row in memory}
    all_speeds = [*(row for row in (Speed(**each) for each in old["speeds"]) if row[:3] not in again[0]), *speeds]
    all_speeds.sort(key=lambda row: ([*CASES].index(row.shape), row.answers, SIDES.index(row.side)))
    all_memory = [*(row for row in (Held(**each) for each in old["memory"]) if row[:2] not in again[1]), *memory]
    facts = f"{datetime.now(UTC):%Y-%m-%d}, one thread of {os.cpu_count()} {platform.machine()} cores, "
    facts += f"load {os.getloadavg()[0]:.1f}, torch {torch.__version__}, transformers {transformers.__version__}, "
    facts += f"TRL {trl_library.VERSION}"
    rows = {"speeds": [row._asdict() for row in all_speeds], "memory": [row._asdict() for row in all_memory]}
    write_json(file, {"facts": facts, **rows})
    write_text(RESULTS / "reward_model.md", report(all_speeds, all_memory, facts))


def bases(into: Path, shapes: Sequence[str]) -> None:
    """Save the models that both sides start from, unless they are there."""
    if not (into / "tiny").exists():
        in_child(ppo.make, into / "tiny", ppo.TINY, 0.0)
    for shape in shapes:
        if shape == ".3M" and not (into / shape).exists():
            in_child(world.save_sft_model, into / shape, DEMONSTRATIONS)
        elif not (into / shape).exists():
            in_child(ppo.make, into / shape, ppo.SHAPES[shape].config, 0.0)


def main() -> None:
    """Measure, print the tables, write the results."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--trl", type=Path, required=True, metavar="FOLDER")
    options.add_argument("--shapes", nargs="*", choices=CASES, default=list(CASES))
    options.add_argument("--answers", type=int, nargs="+", choices=FASTER, default=list(FASTER))
    options.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    options.add_argument("--times", type=int, default=2)
    options.add_argument("--memory", type=int, default=0, help="measure the memory of this many pairs")
    options.add_argument("--into", type=Path, default=Path("build/reward_model"), help="folder of the models")
    chosen = options.parse_args()
    trl_library.find(chosen.trl)
    bases(chosen.into, chosen.shapes)
    for shape in chosen.shapes:
        for answers in chosen.answers:
            speeds = [
                in_child(run, shape, answers, side, chosen.into / shape, chosen.trl.resolve())
                for _ in range(chosen.times)
                for side in chosen.sides
            ]
            print(*speeds, sep="\n", flush=True)
            _store(speeds, [])
    if chosen.memory:
        sides = ("ours", "TRL")
        tiny, library = chosen.into / "tiny", chosen.trl.resolve()
        _store([], [in_child(held, side, chosen.memory, tiny, library) for side in sides])
    print((RESULTS / "reward_model.md").read_text())


if __name__ == "__main__":
    main()
