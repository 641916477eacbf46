"""Memory of the learning steps: the peak that is measured, beside the estimate of models/memory.py.

    python -m benchmarks.memory [--shapes .3M 6M 30M] [--ways full …] [--steps sft …] [--base FOLDER]
    python -m benchmarks.memory --table

Each measurement is a process of its own. It imports the project, makes a random Llama, runs one step on random rows of
full length, and reports the peak of its resident memory above that after the import. `--base` measures a stored base
with adapters too. `--table` prints the tables of docs/engine.md, which are computed. Writes results/memory.{json,md};
measurements of shapes that are not measured now stay in it.
"""

import argparse
import gc
import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

import torch
import transformers
from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from core.files import read_json, write_json, write_text
from models import memory, reward, scratch, sft
from models.adapters import AdapterSettings
from models.algorithms.ppo import PPO
from models.compute import Compute
from models.engines.local import LocalEngine
from models.loading import Loader
from models.memory import Batches, Need, Roles
from models.policy import ModelSettings, Policy
from models.reward import RewardModel, RewardSettings
from models.rollout import SamplingSettings, sample
from models.scorer import Scorer
from models.seeding import generator
from models.sft import SFTSettings
from models.tokenizer import load as load_tokenizer
from models.tokens import encode_prompts
from tasks.state.workspace import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"
ADAPTER = AdapterSettings(rank=8)
PROMPT, ANSWER = 128, 48
"""Tokens of each prompt and answer."""


class Case(NamedTuple):
    """A shape, and how much of it is in one forward pass."""

    config: dict[str, int]
    microbatch: int
    """Tokens of a microbatch."""
    rows: int
    """Rows of a minibatch: with texts of full length, two microbatches."""


CASES = {
    ".3M": Case({"vocab_size": 1024, "hidden_size": 96, "num_hidden_layers": 2, "intermediate_size": 256}, 8192, 92),
    "6M": Case({"vocab_size": 8192, "hidden_size": 288, "num_hidden_layers": 4, "intermediate_size": 768}, 2048, 22),
    "30M": Case(
        {"vocab_size": 32_000, "hidden_size": 384, "num_hidden_layers": 10, "intermediate_size": 1024}, 1024, 10
    ),
    ".1B": Case(
        {
            "vocab_size": 49_152,
            "hidden_size": 576,
            "num_hidden_layers": 30,
            "intermediate_size": 1536,
            "num_key_value_heads": 4,
        },
        700,
        6,
    ),
}
"""The last has the shape of SmolLM2-135M."""
COMPACT = 256
"""Hidden size from which `model.compact_memory` is on."""
TINY = Case({"vocab_size": 300, "hidden_size": 48, "num_hidden_layers": 1, "intermediate_size": 64}, 400, 4)
BASE = Case({}, 700, 6)
"""How a base of `--base` is measured."""
WAYS = ("full", "full, recomputed", "adapters", "adapters, recomputed")
STEPS = ("sft", "reward", "policy", "sample")


class Measured(NamedTuple):
    """The peak of one step, in bytes above the import."""

    shape: str
    way: str
    step: str
    estimate: int
    peak: int

    @property
    def ratio(self) -> float:
        """Estimate divided by measurement."""
        return self.estimate / self.peak


def compute_of(case: Case, way: str) -> Compute:
    """How the networks of a way compute: the smallest shape with memory as it is, the others compact."""
    compact = case.config.get("hidden_size", COMPACT) >= COMPACT
    return Compute("float32", case.microbatch, way.endswith("recomputed"), compact)


def config_of(case: Case, base: Path | None = None) -> Any:
    """The configuration of a case."""
    if base:
        return AutoConfig.from_pretrained(base, local_files_only=True)
    heads = case.config["hidden_size"] // 48 or 1
    return LlamaConfig(**case.config, num_attention_heads=heads, tie_word_embeddings=True, max_position_embeddings=512)


def estimate(case: Case, way: str, step: str, base: Path | None = None) -> Need:
    """What models/memory.py expects of a step."""
    adapter = ADAPTER if way.startswith("adapters") else None
    shape, compute = memory.shape_of(config_of(case, base), adapter), compute_of(case, way)
    roles, batches = Roles(shape, compute, adapter is not None), batches_of(case)
    steps: dict[str, Callable[[], Need]] = {
        "sft": lambda: memory.sft(roles, batches),
        "reward": lambda: memory.reward(roles, batches._replace(rows=2 * batches.rows), likelihood=False),
        "policy": lambda: memory.policy(roles, batches, critic="separate", from_sft=True, checkpoints=0),
        "sample": lambda: memory.sampling(roles, batches, models=1),
    }
    return steps[step]()


def batches_of(case: Case) -> Batches:
    """The sizes of a measurement."""
    return Batches(rows=case.rows, prompt=PROMPT, answer=ANSWER, sampled=2 * case.rows)


def peak_of(shape: str, way: str, step: str, base: Path | None) -> int:
    """Run one step in this process; the bytes of its peak above those before it."""
    torch.set_num_threads(1)
    case = CASES.get(shape, BASE)
    with tempfile.TemporaryDirectory() as folder:
        source = base or Path(folder) / "base"
        if not base:
            in_child(make, source, case.config)  # so that its memory is not counted
        warm_up(way, step, Path(folder) / "tiny")
        ready = prepared(case, way, source)
        gc.collect()
        with Peak() as peak:
            run_step(case, step, ready)
        return peak.bytes


def warm_up(way: str, step: str, folder: Path, compact: bool | None = None) -> None:
    """The same with a tiny model: what libraries import and allocate in the first call is not counted."""
    in_child(make, folder, TINY.config)
    run_step(TINY, step, prepared(TINY, way, folder, compact))


def resident() -> int:
    """Resident bytes of this process, files included: weights that are never written stay pages of their file."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def private() -> int:
    """Resident bytes of this process that belong to no file."""
    _, whole, shared, *_ = Path("/proc/self/statm").read_text().split()
    return (int(whole) - int(shared)) * os.sysconf("SC_PAGESIZE")


class Peak:
    """The peak of resident memory inside, above that at the beginning."""

    bytes = 0

    def __init__(self, read: Callable[[], int] = resident, every: float = 0.002) -> None:
        """What is read, `resident` or `private`, and every how many seconds."""
        self._read, self._every = read, every

    def __enter__(self) -> "Peak":
        self._before, self._end = self._read(), Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(self._every):
            self.bytes = max(self.bytes, self._read() - self._before)


def in_child(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a function in a process of its own, which has the imports of this one."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(function, *arguments).result()


def make(folder: Path, config: dict[str, int]) -> None:
    """Save a random model of this configuration, with a tokenizer."""
    logging.disable_progress_bar()
    tokenizer = scratch.train_tokenizer(_texts(200), config["vocab_size"])
    settings = config_of(Case(config, 0, 0))
    settings.eos_token_id, settings.pad_token_id, settings.bos_token_id = tokenizer.eos_token_id, 0, None
    torch.manual_seed(0)
    LlamaForCausalLM(settings).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


class Prepared(NamedTuple):
    """What a step needs before it runs."""

    load: Callable[[str], Policy]
    """The policy of a role, newly loaded: with adapters, another adapter of one base."""
    prompts: list[list[int]]
    rows: list[dict[str, Any]]


def prepared(case: Case, way: str, source: Path, compact: bool | None = None) -> Prepared:
    """What a step needs; `compact` in place of the setting of the case."""
    compute = compute_of(case, way)
    compute = compute if compact is None else compute._replace(compact=compact)
    loader = Loader(lambda digest: source, compute)

    def load(role: str) -> Policy:
        if way.startswith("adapters"):
            return loader.new_adapter("0" * 64, ADAPTER, role, 0)
        return Policy.load(source, compute)

    count = 2 * case.rows
    prompts, answers = _texts(count), [_texts(count, seed) for seed in (1, 2)]
    rows = [
        {
            "prompt": [{"role": "user", "content": prompt}],
            "completion": chosen,
            "chosen": chosen,
            "rejected": rejected,
            "p_chosen": 1.0,
            "weight": 1.0,
            "strength": None,
        }
        for prompt, chosen, rejected in zip(prompts, *answers, strict=True)
    ]
    encoded = encode_prompts(load_tokenizer(source), [row["prompt"] for row in rows], PROMPT)
    return Prepared(load, [prompt.ids for prompt in encoded], rows)


def run_step(case: Case, step: str, ready: Prepared) -> None:
    """Run one step, and save what it has learned."""
    limits = ModelSettings(base="random", max_prompt_tokens=PROMPT, max_answer_tokens=ANSWER)
    load, rows = ready.load, ready.rows
    match step:
        case "sft":
            policy = load("sft")
            sft.fit(policy, rows, SFTSettings(epochs=1, batch=case.rows), limits, 0)
            _save(policy.save)
        case "reward":
            for name in ("reward", "judge"):
                model = reward.fit_in_place(load(name), rows, RewardSettings(epochs=1, batch=case.rows), limits, seed=0)
                _save(model.save)
                model.scorer.network.release()
        case "policy":
            reference = load("sft")
            score = RewardModel(Scorer.from_policy(reference, 0.0, 0.0), PROMPT, ANSWER)
            policy, sampling = load("policy"), SamplingSettings(batch=2 * case.rows)
            ppo = PPO(steps=1, episodes=2 * case.rows, minibatch=case.rows, epochs=1, sampling=sampling)
            with closing(LocalEngine(policy, reference, score)) as engine:
                ppo.train(engine, ready.prompts, ANSWER)
            _save(policy.save)
        case "sample":
            sample(load("policy"), ready.prompts, SamplingSettings(batch=2 * case.rows), ANSWER, generator(0))


def _save(save: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder) / "saved")


def _texts(count: int, seed: int = 0) -> list[str]:
    """Long texts of random words, so that every prompt and answer is cut to its limit."""
    numbers = torch.randint(0, 10**6, (count, 160), generator=generator(seed)).tolist()
    return [" ".join(str(number) for number in row) for row in numbers]


def measure(shape: str, way: str, step: str, base: Path | None = None) -> Measured:
    """The peak of one step in a process of its own, and its estimate."""
    peak = in_child(peak_of, shape, way, step, base)
    expected = estimate(CASES.get(shape, BASE), way, step, base).total - memory.LIBRARIES
    result = Measured(shape, way, step, expected, peak)
    print(
        f"{shape:>5} {way:>22} {step:>7} {result.estimate / 1e6:8.0f} {result.peak / 1e6:8.0f} {result.ratio:.2f}",
        flush=True,
    )
    return result


REAL = {
    ".1B (SmolLM2-135M)": (49_152, 576, 30, 9, 3, 1536, True),
    ".5B (Qwen2.5-0.5B)": (151_936, 896, 24, 14, 2, 4864, True),
    "1.5B (Qwen2.5-1.5B)": (151_936, 1536, 28, 12, 2, 8960, True),
    "8B (Llama-3.1-8B)": (128_256, 4096, 32, 32, 8, 14_336, False),
}
"""Vocabulary, width, layers, heads, heads of keys, feed-forward width, tied embeddings."""
REAL_WAYS = {
    "full, float32": (None, Compute("float32", 2048, compact=True)),
    "full, float32, recomputed": (None, Compute("float32", 2048, recompute=True, compact=True)),
    "adapters, float32": (ADAPTER, Compute("float32", 2048, compact=True)),
    "adapters, bfloat16": (ADAPTER, Compute("bfloat16", 2048, compact=True)),
    "adapters, bfloat16, recomputed": (ADAPTER, Compute("bfloat16", 2048, recompute=True, compact=True)),
}
REAL_SIZES = Batches(rows=8, prompt=256, answer=128, sampled=32)


def computed() -> str:
    """The table of docs/engine.md: gigabytes by shape, way and step, from models/memory.py."""
    lines = ["| base | trained | sft | reward | policy | sample | disk of policy |", "|---" * 7 + "|"]
    for name, numbers in REAL.items():
        for way, (adapter, compute) in REAL_WAYS.items():
            roles = Roles(memory.shape_of(_llama(*numbers), adapter), compute, adapter is not None)
            policy = memory.policy(roles, REAL_SIZES, "separate", from_sft=False)
            needs = [
                memory.sft(roles, REAL_SIZES),
                memory.reward(roles, REAL_SIZES, likelihood=False),
                policy,
                memory.sampling(roles, REAL_SIZES._replace(sampled=128), models=5),
            ]
            cells = [f"{count / 1e9:.1f}" for count in (*(need.total for need in needs), policy.disk)]
            lines.append(f"| {name} | {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


LARGE = {"70B (Llama-3.1-70B)": (128_256, 8192, 80, 64, 8, 28_672, False)}
LARGE_WAYS = {
    "full, bfloat16, recomputed": (None, Compute("bfloat16", 2048, recompute=True, compact=True)),
    "adapters, bfloat16, recomputed": REAL_WAYS["adapters, bfloat16, recomputed"],
}
GPUS = (8, 64)


def divided() -> str:
    """The table of docs/engine.md for weights that are divided among GPUs: gigabytes of each."""
    heads = "base", "trained", "GPUs", "sft", "reward", "policy", "policy, sampled elsewhere", "disk of policy"
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, numbers in LARGE.items():
        for way, (adapter, compute) in LARGE_WAYS.items():
            for count in GPUS:
                shape = memory.shape_of(_llama(*numbers), adapter)
                roles = Roles(shape, compute, adapter is not None, parts=count)
                sizes = REAL_SIZES._replace(static=True, rows=1, sampled=4)
                policy = memory.policy(roles, sizes, "separate", from_sft=False)
                elsewhere = policy._replace(cache=0)
                needs = memory.sft(roles, sizes), memory.reward(roles, sizes, likelihood=False), policy, elsewhere
                cells = [f"{(need.total - need.libraries) / 1e9:.0f}" for need in needs]
                lines.append(f"| {name} | {way} | {count} | {' | '.join(cells)} | {policy.disk / 1e9:,.0f} |")
    return "\n".join(lines)


def _llama(vocabulary: int, width: int, layers: int, heads: int, keys: int, feed_forward: int, tied: bool) -> Any:
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=keys,
        intermediate_size=feed_forward,
        tie_word_embeddings=tied,
    )


def report(rows: Sequence[Measured], facts: str, command: str) -> str:
    """The measurements as a page."""
    lines = ["| shape | trained | step | estimate, MB | measured, MB | ratio |", "|---" * 6 + "|"]
    lines += [
        f"| {' | '.join(row[:3])} | {row.estimate / 1e6:,.0f} | {row.peak / 1e6:,.0f} | {row.ratio:.2f} |"
        for row in rows
    ]
    outside = sum(not 0.85 <= row.ratio <= 1.15 for row in rows)
    close = f"{len(rows) - outside} of {len(rows)} estimates are within 15 % of the measurement."
    about = (
        "Resident memory at the peak of a step above that before it, in a process of its own; float32, one thread;\n"
    )
    about += "`model.compact_memory` from 6M up.\n"
    about += "The estimate is that of models/memory.py without the libraries."
    return f"# Memory of the learning steps\n\n{facts};\n`{command}`\n\n{about}\n{close}\n\n" + "\n".join(lines) + "\n"


def merged(old: Sequence[Measured], new: Sequence[Measured]) -> list[Measured]:
    """Both, without those of the old that were measured again."""
    again = {row[:3] for row in new}
    rows = [*(row for row in old if row[:3] not in again), *new]
    return sorted(
        rows, key=lambda row: ([*CASES, row.shape].index(row.shape), WAYS.index(row.way), STEPS.index(row.step))
    )


def main() -> None:
    """Measure, print the ratios, write the results; or print the computed table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--shapes", nargs="*", choices=CASES, default=list(CASES))
    options.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    options.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    options.add_argument("--base", type=Path)
    options.add_argument("--table", action="store_true")
    chosen = options.parse_args()
    if chosen.table:
        print(computed(), divided(), sep="\n\n")
        return
    cases = [(shape, way, None) for shape in chosen.shapes for way in chosen.ways]
    if chosen.base:
        cases += [("base", way, chosen.base) for way in WAYS[2:]]
    for shape, way, base in cases:
        for step in chosen.steps:
            _store(measure(shape, way, step, base))


def _store(row: Measured) -> None:
    """Add a measurement to the results, with the estimates of the present code for all."""
    file = RESULTS / "memory.json"
    old = [Measured(*fields) for fields in read_json(file)["rows"]] if file.exists() else []
    rows = [_renewed(each) for each in merged(old, [row])]
    facts = f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()} CPU, torch {torch.__version__}, "
    facts += f"transformers {transformers.__version__}"
    write_json(file, {"facts": facts, "rows": [list(each) for each in rows]})
    write_text(RESULTS / "memory.md", report(rows, facts, "python -m benchmarks.memory"))


def _renewed(row: Measured) -> Measured:
    if row.shape not in CASES:
        return row
    return row._replace(estimate=estimate(CASES[row.shape], row.way, row.step).total - memory.LIBRARIES)


if __name__ == "__main__":
    main()
