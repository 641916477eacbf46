"""PPO against that of TRL 1.10.0, with the same settings: processor time of an iteration, and peak memory.

    python -m benchmarks.ppo --trl FOLDER [--shapes .3M 30M 135M] [--ends 0 0.04] [--pairs 3]

Both train the same random model on the same prompts, with the same number of answers, minibatches, epochs and tokens,
temperature 1, the same KL penalty coefficient, AdamW in float32, and a reward model of the same shape. `--ends` is the
probability that a sampled token ends the answer: with 0 all answers have the full length. The two alternate, each
measurement in a process of its own with one thread; a tiny model is trained first, so that imports are not counted.
Peak memory is resident memory above that after the imports, weights included. Writes results/ppo.{json,md};
measurements of shapes that are not measured now stay in it.
"""

import argparse
import gc
import math
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from pathlib import Path
from statistics import median
from textwrap import fill
from typing import NamedTuple

import torch
import transformers
from datasets import Dataset
from peft import LoraConfig, inject_adapter_in_model
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)
from transformers.utils import logging

from benchmarks import trl_library, world
from benchmarks.memory import Peak, in_child
from core.files import read_json, write_json, write_text
from models import scratch
from models.adapters import AdapterSettings
from models.algorithms.ppo import PPO
from models.compute import Compute
from models.engines.local import LocalEngine
from models.kl import KLSettings
from models.loading import Loader
from models.policy import Policy
from models.reward import RewardModel
from models.rollout import SamplingSettings
from models.scorer import Scorer
from models.seeding import generator
from models.tokenizer import load as load_tokenizer
from tasks.state.workspace import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"
PROMPT, ANSWER = 24, 48
"""Tokens of a prompt on average (16 to 32), and the most of an answer."""
RATE, KL = 1e-5, 0.05
MINIBATCHES = 2
ADAPTER = AdapterSettings(rank=8)


def shape(vocabulary: int, width: int, layers: int, feed_forward: int, heads: int, keys: int) -> dict[str, int]:
    """The fields of a Llama's configuration; `keys` are heads of keys and values."""
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "intermediate_size": feed_forward,
        "num_attention_heads": heads,
        "num_key_value_heads": keys,
    }


class Case(NamedTuple):
    """A shape, and how much is learned in one run."""

    config: dict[str, int]
    episodes: int
    """Answers of an iteration, in two minibatches."""
    epochs: int
    iterations: int
    microbatch: int
    """Tokens of a small microbatch."""
    adapters: bool = False


SHAPES = {
    ".3M": Case(shape(1024, 96, 2, 256, 4, 4), episodes=128, epochs=2, iterations=3, microbatch=2048),
    "30M": Case(shape(32_000, 384, 10, 1024, 8, 8), episodes=32, epochs=1, iterations=1, microbatch=512),
    "30M, 64 answers": Case(shape(32_000, 384, 10, 1024, 8, 8), episodes=64, epochs=1, iterations=1, microbatch=512),
    "135M": Case(shape(49_152, 576, 30, 1536, 9, 3), 8, epochs=1, iterations=1, microbatch=128, adapters=True),
}
TINY = shape(300, 48, 1, 64, 2, 2)
WHOLE = 16_384
"""Tokens that are more than a minibatch, which is then not divided."""
SIDES = ("ours", "TRL", "ours, small microbatches")


class Measured(NamedTuple):
    """One run of one side."""

    shape: str
    ends: float
    side: str
    cpu: float
    """CPU seconds of an iteration."""
    wall: float
    """Seconds of an iteration."""
    peak: int
    """Bytes; 0 if it was not measured."""


def make(folder: Path, config: dict[str, int], ends: float) -> None:
    """Save a random Llama with tied embeddings, and a tokenizer. A token is EOS with the probability `ends`."""
    logging.disable_progress_bar()
    tokenizer = scratch.train_tokenizer(world.texts(500), config["vocab_size"])
    settings = LlamaConfig(**config, tie_word_embeddings=True, max_position_embeddings=512)
    settings.eos_token_id, settings.pad_token_id, settings.bos_token_id = tokenizer.eos_token_id, 0, None
    torch.manual_seed(0)
    model = LlamaForCausalLM(settings).eval()
    if ends:
        end_with(model, tokenizer.eos_token_id, ends)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@torch.no_grad()
def end_with(model: PreTrainedModel, end: int, probability: float) -> None:
    """Change the embeddings so that the next token is `end` with about this probability, whatever came before.

    One element is equal in all embeddings, and so nearly constant in the hidden states; that of `end` is larger.
    """
    embeddings = model.get_input_embeddings().weight
    embeddings[:, 0] = 1.0
    ids = torch.randint(end + 1, len(embeddings), (8, PROMPT + ANSWER), generator=generator(0))
    hidden = model.base_model(input_ids=ids).last_hidden_state[:, PROMPT:]
    for _ in range(5):  # the logit of `end` is linear in its embedding, its probability is not
        found = (hidden @ embeddings.T).softmax(dim=-1)[..., end].mean()
        missing = math.log(probability / (1 - probability)) - torch.logit(found)
        embeddings[end, 0] += missing / hidden[..., 0].mean()


def prompts(config: dict[str, int], count: int) -> list[list[int]]:
    """Prompts of 16 to 32 random tokens."""
    noise = generator(1)
    lengths = torch.linspace(16, 32, count).int().tolist()
    return [torch.randint(8, config["vocab_size"], (length,), generator=noise).tolist() for length in lengths]


Train = Callable[..., object]


def ours(folder: Path, case: Case, microbatch: int = WHOLE) -> Train:
    """Load all models; what is returned trains them."""
    loader = Loader(lambda digest: folder, Compute("float32", microbatch))

    def load(role: str) -> Policy:
        return loader.new_adapter("0" * 64, ADAPTER, role, 0) if case.adapters else loader.policy(folder)

    policy, reference = load("policy"), load("sft")
    scorer = Scorer(load("reward").network, policy.tokenizer, 0.0, 0.0)
    torch.nn.init.normal_(scorer.head.weight, std=0.02, generator=generator(0))
    engine = LocalEngine(policy, reference, RewardModel(scorer, PROMPT, ANSWER))
    algorithm = PPO(
        steps=case.iterations,
        episodes=case.episodes,
        minibatch=case.episodes // MINIBATCHES,
        epochs=case.epochs,
        learning_rate=RATE,
        critic_learning_rate=RATE,
        kl=KLSettings(coefficient=KL),
        unended_score=None,
        sampling=SamplingSettings(batch=case.episodes),
    )
    return partial(algorithm.train, engine, prompts(case.config, case.episodes), ANSWER)


def theirs(folder: Path, case: Case, output: Path) -> Train:
    """As `ours`, with TRL."""
    trl, tokenizer = trl_library.load("trl.experimental.ppo"), load_tokenizer(folder)
    tokenizer.padding_side = "left"
    policy = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    reward, value = (
        AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, dtype=torch.float32) for _ in range(2)
    )
    lora = LoraConfig(r=ADAPTER.rank, lora_alpha=int(ADAPTER.alpha), target_modules="all-linear")
    if case.adapters:
        # of the trunk, since peft adapts the head too; PPOTrainer cannot read a value model that is a PeftModel
        inject_adapter_in_model(lora, value.model)
    reference = None if case.adapters else AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    settings = trl.PPOConfig(
        output_dir=str(output),
        per_device_train_batch_size=case.episodes,
        num_mini_batches=MINIBATCHES,
        num_ppo_epochs=case.epochs,
        total_episodes=case.iterations * case.episodes,
        local_rollout_forward_batch_size=case.episodes,
        response_length=ANSWER,
        stop_token="eos",
        temperature=1.0,
        learning_rate=RATE,
        kl_coef=KL,
        lr_scheduler_type="constant",
        optim="adamw_torch_fused",
        num_sample_generations=0,
        **trl_library.PLAIN,
    )
    trainer = trl.PPOTrainer(
        args=settings,
        processing_class=tokenizer,
        model=policy,
        ref_model=reference,
        reward_model=reward.requires_grad_(False),
        value_model=value,
        train_dataset=Dataset.from_dict({"input_ids": prompts(case.config, case.episodes)}),
        peft_config=lora if case.adapters else None,
    )

    def train() -> object:
        with redirect_stdout(StringIO()):  # it prints its metrics
            return trainer.train()

    return train


def run(side: str, shape: str, ends: float, library: Path) -> Measured:
    """Measure one run, in this process."""
    trl_library.quiet()
    case = SHAPES[shape]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_child(make, folder / "tiny", TINY, ends)
        in_child(make, folder / "base", case.config, ends)
        prepare: Callable[[Path, Case], Train] = ours
        if side == "ours, small microbatches":
            prepare = partial(ours, microbatch=case.microbatch)
        if side == "TRL":
            trl_library.find(library)
            prepare = partial(theirs, output=folder / "output")
        prepare(folder / "tiny", case._replace(config=TINY, episodes=4, iterations=1))()
        gc.collect()
        with Peak() as peak:
            train = prepare(folder / "base", case)
            cpu, wall = time.process_time(), time.perf_counter()
            train()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        return Measured(shape, ends, side, cpu / case.iterations, wall / case.iterations, peak.bytes)


def ratios(ours: Sequence[Measured], theirs: Sequence[Measured]) -> list[float]:
    """CPU time of TRL divided by ours, of each pair."""
    return [peer.cpu / own.cpu for own, peer in zip(ours, theirs, strict=False)]


def memory_share(ours: Sequence[Measured], theirs: Sequence[Measured]) -> float:
    """Peak memory of ours divided by that of TRL, medians; 0 if it was not measured."""
    return peak_of(ours) / max(peak_of(theirs), 1)


def peak_of(rows: Sequence[Measured]) -> float:
    """The median of the peaks that were measured, in bytes; 0 if none was."""
    peaks = [row.peak for row in rows if row.peak]
    return median(peaks) if peaks else 0.0


def table(rows: Sequence[Measured]) -> str:
    """The medians of both sides as Markdown, with the median ratio of the pairs and its range."""
    heads = ["shape", "answers", "side", "pairs", "CPU s: ours", "TRL", "TRL / ours", "wall s: ours", "TRL"]
    lines = [f"| {' | '.join([*heads, 'peak MB: ours', 'TRL', 'ours / TRL'])} |", "|---" * 12 + "|"]
    for ours, theirs in trl_library.compared(rows, SIDES):
        first, times = ours[0], ratios(ours, theirs)
        trained = "adapters" if SHAPES[first.shape].adapters else "full"
        answers = f"end by {first.ends:.0%} a token" if first.ends else f"all of {ANSWER} tokens"
        cells = [f"{first.shape}, {trained}", answers, first.side, str(len(times))]
        cells += [f"{median(row.cpu for row in side):.2f}" for side in (ours, theirs)]
        cells.append(f"{median(times):.2f} ({min(times):.2f} to {max(times):.2f})")
        cells += [f"{median(row.wall for row in side):.2f}" for side in (ours, theirs)]
        share = memory_share(ours, theirs)
        if share:
            cells += [f"{peak_of(side) / 1e6:,.0f}" for side in (ours, theirs)]
        cells += [f"{share:.0%}"] if share else ["–"] * 3
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


FASTER = {".3M": 2.0, "30M": 1.5, "30M, 64 answers": 1.5}
"""Target: CPU time of TRL divided by ours."""
SMALLER = {"30M": 0.4, "30M, 64 answers": 0.4, "135M": 0.25}
"""Target: peak memory of ours divided by that of TRL."""


def targets(rows: Sequence[Measured]) -> str:
    """Each target, and whether it was met."""
    lines = []
    for ours, theirs in trl_library.compared(rows, SIDES):
        shape, ends = ours[0].shape, ours[0].ends
        which = f"{shape}, {ours[0].side}, {f'answers end by {ends:.0%} a token' if ends else 'answers of full length'}"
        if shape in FASTER:
            ratio = median(ratios(ours, theirs))
            lines.append(_target(f"{which}: at least {FASTER[shape]} × less CPU time", ratio >= FASTER[shape], ratio))
        share = memory_share(ours, theirs)
        if shape in SMALLER and share:
            goal = f"at most {SMALLER[shape]:.0%} of the memory"
            lines.append(_target(f"{which}: {goal}", share <= SMALLER[shape], share))
    return "\n".join(lines)


def _target(text: str, met: bool, value: float) -> str:
    return f"- {text}: {'met' if met else 'not met'} ({value:.2f})."


def measure(shapes: Sequence[str], ends: Sequence[float], pairs: int, library: Path) -> None:
    """Measure, alternating, and store after each pair."""
    for shape in shapes:
        for probability in ends:
            rows = []
            for _ in range(pairs):
                for side in SIDES:
                    rows.append(in_child(run, side, shape, probability, library))
                    print(rows[-1], flush=True)
            _store(rows)


def merged(old: Sequence[Measured], new: Sequence[Measured]) -> list[Measured]:
    """Both, without those of the old that were measured again, in the order of the shapes."""
    again = {row[:3] for row in new}
    rows = [*(row for row in old if row[:3] not in again), *new]
    return sorted(rows, key=lambda row: ([*SHAPES].index(row.shape), row.ends, SIDES.index(row.side)))


def _store(new: Sequence[Measured]) -> None:
    file = RESULTS / "ppo.json"
    old = [Measured(**fields) for fields in read_json(file)["rows"]] if file.exists() else []
    rows = merged(old, new)
    facts = f"{datetime.now(UTC):%Y-%m-%d}, one thread of {os.cpu_count()} {platform.machine()} cores, "
    facts += f"load {os.getloadavg()[0]:.1f}, torch {torch.__version__}, transformers {transformers.__version__}, "
    facts += f"TRL {trl_library.VERSION}"
    write_json(file, {"facts": facts, "rows": [row._asdict() for row in rows]})
    write_text(RESULTS / "ppo.md", report(rows, facts))


def report(rows: Sequence[Measured], facts: str) -> str:
    """The measurements as a page."""
    sizes = "; ".join(
        f"{shape}: {case.episodes} answers an iteration, epochs: {case.epochs}, small microbatches: {case.microbatch} "
        "tokens"
        for shape, case in SHAPES.items()
    )
    about = f"""The same settings on both sides, float32, {MINIBATCHES} minibatches. {sizes}. Else ours has
        microbatches of {WHOLE} tokens, which is more than a minibatch; the size changes results by rounding only, and
        TRL has none that works with several minibatches. Prompts of 16 to 32 tokens, answers of at most
        {ANSWER}; vocabularies of 1,024, 32,000 and 49,152 tokens. With adapters (LoRA, rank {ADAPTER.rank}) TRL has
        three bases in memory: policy with reference, reward model, critic. Its critic has an adapter here, which that
        of its own example has not. A ratio is the median of the pairs, with the smallest and the largest."""
    about = fill(" ".join(about.split()), 120)
    command = "python -m benchmarks.ppo --trl FOLDER"
    return f"# PPO beside TRL\n\n{facts};\n`{command}`\n\n{about}\n\n{table(rows)}\n\n{targets(rows)}\n"


def main() -> None:
    """Measure, print the table, write the results."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--trl", type=Path, required=True, metavar="FOLDER")
    options.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    options.add_argument("--ends", type=float, nargs="+", default=[0.0, 0.04])
    options.add_argument("--pairs", type=int, default=3)
    chosen = options.parse_args()
    trl_library.find(chosen.trl)
    measure(chosen.shapes, chosen.ends, chosen.pairs, chosen.trl.resolve())
    print((RESULTS / "ppo.md").read_text())


if __name__ == "__main__":
    main()
