"""Tokens per second of sampling: the decoding loop of the project, `generate` and `generate_batch` of transformers.

    python -m benchmarks.rollout [--shape small] [--batches 8 32 128] [--continuous 8] [--times 2]

All sample at temperature 1 from one random model; 4 % of the vocabulary ends an answer, so that rows end at different
times. The ways alternate, so that other load affects all equally; on a CPU the times are CPU seconds of this process
(one thread), which other load affects less, and on a GPU wall seconds. The bandwidth limit is the number of tokens per
second if a step took only the time to read the weights and the keys and values once, at the speed of copying a large
tensor. On a GPU our loop is measured with a dynamic cache, and with a static one and graphs, which are recorded in the
first runs. `generate_batch` is measured for the `--continuous` batches only: it is slow on a CPU. Writes
results/rollout.{json,md}.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import torch
import transformers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedModel
from transformers.generation import ContinuousBatchingConfig

from core.files import write_json, write_text
from models import static_cache
from models.decoding import IMMEDIATELY, SELDOM, DecodingLoop, DecodingRequest, Pace, decode, seeded_uniforms
from models.static_cache import StaticCache
from tasks.state.workspace import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"
PROMPT = 24
"""Tokens of a prompt on average: 16 to 32."""
LIMIT = 48
SHAPES = {
    "tiny": {"vocab_size": 1024, "hidden_size": 96, "num_hidden_layers": 2, "intermediate_size": 256},
    "small": {"vocab_size": 8192, "hidden_size": 288, "num_hidden_layers": 4, "intermediate_size": 768},
    "135M": {"vocab_size": 49_152, "hidden_size": 576, "num_hidden_layers": 30, "intermediate_size": 1536},
}
OURS: dict[str, Pace] = {"ours, rows removed immediately": IMMEDIATELY, "ours, every 8 steps from half": SELDOM}
ON_GPU = ("ours, dynamic cache", "ours, static cache and graphs")
"""Both remove rows every 8 steps from half."""


Way = Callable[[PreTrainedModel, Sequence[list[int]]], int]
"""Samples answers to prompts; returns the number of answer tokens."""


class Speed(NamedTuple):
    """Speed of one way of sampling at one batch size."""

    way: str
    batch: int
    tokens: float
    """Answer tokens per second, median of the runs"""
    limit: float
    """Tokens per second at the bandwidth of the memory"""


def model_of(shape: str) -> PreTrainedModel:
    """A random Llama with tied embeddings."""
    torch.manual_seed(0)
    heads = {"num_attention_heads": 6, "num_key_value_heads": 3} if shape != "tiny" else {"num_attention_heads": 4}
    config = LlamaConfig(**SHAPES[shape], **heads, tie_word_embeddings=True, max_position_embeddings=256)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return LlamaForCausalLM(config).eval().to(device)


def prompts_of(model: PreTrainedModel, batch: int) -> list[list[int]]:
    """Prompts of 16 to 32 random tokens."""
    lengths = torch.linspace(16, 32, batch).int().tolist()
    noise = torch.Generator().manual_seed(batch)
    vocabulary = model.config.vocab_size
    return [torch.randint(vocabulary // 2, vocabulary, (length,), generator=noise).tolist() for length in lengths]


def ends_of(model: PreTrainedModel) -> list[int]:
    """The tokens that end an answer: one of 25."""
    return list(range(0, model.config.vocab_size, 25))


def with_ours(
    model: PreTrainedModel, prompts: Sequence[list[int]], pace: Pace, static: StaticCache | None = None
) -> int:
    """Sample with the decoding loop of the project; the number of answer tokens."""
    requests = [DecodingRequest(prompt, LIMIT, seeded_uniforms(LIMIT, row)) for row, prompt in enumerate(prompts)]
    return sum(len(answer.ids) for answer in decode(DecodingLoop(model, ends_of(model), 0, pace, static), requests))


def generation_of(model: PreTrainedModel) -> GenerationConfig:
    """Sampling at temperature 1 from all tokens."""
    return GenerationConfig(
        do_sample=True, top_k=0, top_p=1.0, max_new_tokens=LIMIT, eos_token_id=ends_of(model), pad_token_id=0
    )


def with_generate(model: PreTrainedModel, prompts: Sequence[list[int]]) -> int:
    """Sample with `generate`; the number of answer tokens."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts], device=model.device)
    out: Any = model.generate(ids, attention_mask=(ids != 0).long(), generation_config=generation_of(model))
    ends = set(ends_of(model))
    rows = out[:, width:].tolist()
    return sum(next((i for i, token in enumerate(row) if token in ends), len(row) - 1) + 1 for row in rows)


def with_generate_batch(model: PreTrainedModel, prompts: Sequence[list[int]]) -> int:
    """Sample with continuous batching; the number of answer tokens."""
    blocks = ContinuousBatchingConfig(page_size=32, num_blocks=4 * len(prompts), max_batch_tokens=1024)
    out: Any = model.generate_batch(
        list(prompts), generation_config=generation_of(model), continuous_batching_config=blocks, progress_bar=False
    )
    return sum(len(answer.generated_tokens) for answer in out.values())


def ways(continuous: bool, static: StaticCache | None = None) -> dict[str, Way]:
    """Name → way of sampling.

    Args:
        continuous: with `generate_batch`.
        static: the static cache of a model on a GPU, whose graphs are used by all batches.
    """
    ours: dict[str, Way] = (
        {
            name: partial(with_ours, pace=SELDOM, static=cache)
            for name, cache in zip(ON_GPU, (None, static), strict=True)
        }
        if static
        else {name: partial(with_ours, pace=pace) for name, pace in OURS.items()}
    )
    result = {**ours, "generate": with_generate}
    return {**result, "generate_batch": with_generate_batch} if continuous else result


def seconds(device: torch.device) -> float:
    """A clock: CPU seconds of this process, or wall seconds after all work of the GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def bandwidth(device: torch.device) -> float:
    """Bytes per second, read or written, of copying a large tensor; the fastest of five copies."""
    source = torch.ones(2**26, device=device)  # 256 MiB
    target, fastest = torch.empty_like(source), float("inf")
    for _ in range(5):
        start = seconds(device)
        target.copy_(source)
        fastest = min(fastest, seconds(device) - start)
    return 2 * source.numel() * source.element_size() / fastest


def limit(model: PreTrainedModel, batch: int, speed: float) -> float:
    """Tokens per second if a step only reads the weights, and the keys and values of an average context."""
    config, size = model.config, next(model.parameters()).element_size()
    head = config.hidden_size // config.num_attention_heads
    per_token = 2 * config.num_hidden_layers * config.num_key_value_heads * head * size
    weights = sum(weight.numel() for weight in model.parameters()) * size
    tokens: float = batch * speed / (weights + batch * (PROMPT + LIMIT / 2) * per_token)
    return tokens


def measure(model: PreTrainedModel, batches: Sequence[int], continuous: Sequence[int], times: int) -> list[Speed]:
    """The speed of each way at each batch size. The ways alternate; a first run of each is not counted."""
    speed, result, static = bandwidth(model.device), [], static_cache.automatic(model)
    for batch in batches:
        prompts, runs = prompts_of(model, batch), dict[str, list[float]]()
        for run in range(times + 1):
            for name, sample in ways(batch in continuous, static).items():
                torch.manual_seed(run)
                start = seconds(model.device)
                tokens = sample(model, prompts)
                runs.setdefault(name, []).append(tokens / (seconds(model.device) - start))
            print(f"batch {batch}, run {run}:", {name: round(rates[-1]) for name, rates in runs.items()}, flush=True)
        result += [Speed(name, batch, median(rates[1:]), limit(model, batch, speed)) for name, rates in runs.items()]
    return result


def table(speeds: Sequence[Speed]) -> str:
    """The result as Markdown."""
    batches = sorted({speed.batch for speed in speeds})
    cell = {(speed.way, speed.batch): speed for speed in speeds}
    lines = [
        f"| tokens per second | {' | '.join(f'batch {batch}' for batch in batches)} |",
        "|---" * (len(batches) + 1) + "|",
    ]
    for way in dict.fromkeys(speed.way for speed in speeds):
        cells = (f"{cell[way, batch].tokens:,.0f}" if (way, batch) in cell else "–" for batch in batches)
        lines.append(f"| {way} | {' | '.join(cells)} |")
    limits = (next(speed.limit for speed in speeds if speed.batch == batch) for batch in batches)
    return "\n".join([*lines, f"| bandwidth limit | {' | '.join(f'{value:,.0f}' for value in limits)} |"])


def main() -> None:
    """Measure, print the table, write the results."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--shape", choices=SHAPES, default="small")
    options.add_argument("--batches", type=int, nargs="+", default=[8, 32, 128])
    options.add_argument("--continuous", type=int, nargs="*", default=[8])
    options.add_argument("--times", type=int, default=2)
    chosen = options.parse_args()
    torch.set_num_threads(1)
    model = model_of(chosen.shape)
    speeds = measure(model, chosen.batches, chosen.continuous, chosen.times)
    text = table(speeds)
    print(text)
    on_gpu = model.device.type == "cuda"
    device = torch.cuda.get_device_name() if on_gpu else f"one thread of {os.cpu_count()} {platform.machine()} cores"
    clock = "wall seconds" if on_gpu else "CPU seconds"
    facts = f"{datetime.now(UTC):%Y-%m-%d}, {device} ({clock}), load {os.getloadavg()[0]:.1f}, "
    facts += f"torch {torch.__version__}, transformers {transformers.__version__}"
    typed = f"python -m benchmarks.rollout --shape {chosen.shape} --batches {' '.join(map(str, chosen.batches))} "
    typed += f"--continuous {' '.join(map(str, chosen.continuous))} --times {chosen.times}"
    weights = sum(weight.numel() for weight in model.parameters()) / 1e6
    about = (
        f"A random Llama with {weights:.1f} million weights, float32; prompts of 16 to 32 tokens, answers of at most "
    )
    about += f"{LIMIT}\ntokens; 4 % of the vocabulary ends an answer. The load is that of all programs on the machine."
    write_text(RESULTS / "rollout.md", f"# Speed of sampling\n\n{facts};\n`{typed}`\n\n{about}\n\n{text}\n")
    write_json(RESULTS / "rollout.json", {"facts": facts, "command": typed, "speeds": [s._asdict() for s in speeds]})


if __name__ == "__main__":
    main()
