"""True utility by processor time in the embedded world: PPO with its defaults, and that of TRL 1.10.0.

    python -m benchmarks.ppo_utility --trl FOLDER [--seeds 1] [--iterations 20]

Both start from the same SFT model, reward model and prompts. After some iterations the policy answers held-out prompts
at temperature 1, and the mean true utility of the answers is noted beside the CPU seconds of training, which do not
include the answers. TRL learns with two groups of settings: those of ours, and its own defaults with our learning rate
(with its own, which is for large models, it does not learn here). Writes results/ppo_utility.{json,md}.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from datasets import Dataset
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, TrainerCallback
from transformers.modeling_outputs import BaseModelOutput

from benchmarks import trl_library, world
from benchmarks.memory import in_child
from core.files import write_json, write_text
from feedback.world import prompts, utility
from models import reward
from models.algorithms.ppo import PPO
from models.engines.local import LocalEngine
from models.network import WholeNetwork
from models.policy import Policy
from models.reward import RewardModel, RewardSettings
from models.rollout import SamplingSettings, sample
from models.seeding import generator
from models.tokenizer import load as load_tokenizer
from models.tokens import encode_prompts, pad
from tasks.state.workspace import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"
DEMONSTRATIONS, PAIRS, PROMPTS, HELD_OUT = 4000, 2000, 2000, 512
ANSWER = world.LIMITS.max_answer_tokens
OURS = PPO()
ITS_OWN = {"num_mini_batches": 1, "num_ppo_epochs": 4, "temperature": 0.7, "response_length": 53}
EQUAL = {
    "num_mini_batches": 2,
    "num_ppo_epochs": OURS.epochs,
    "temperature": OURS.sampling.temperature,
    "response_length": ANSWER,
    "missing_eos_penalty": 2.0,
    "lr_scheduler_type": "constant",
}
SIDES = ("ours", "TRL, settings of ours", "TRL, its own settings")
EVERY = 2
"""Iterations between two measurements of the utility."""


class Point(NamedTuple):
    """The policy after some iterations."""

    side: str
    seed: int
    iteration: int
    cpu: float
    """CPU seconds of training so far."""
    utility: float
    """Mean true utility of the answers to the held-out prompts."""


class Clock:
    """CPU seconds of training; measuring the utility is not counted."""

    def __init__(self, side: str, seed: int, tokenizer: Any) -> None:
        self.points: list[Point] = []
        self._side, self._seed, self._tokenizer = side, seed, tokenizer
        self._requests = prompts(HELD_OUT, world.HELD_OUT)
        self._ids = _encoded(tokenizer, HELD_OUT, world.HELD_OUT)
        self._started = time.process_time()

    def start(self) -> None:
        """Training starts now."""
        self._started = time.process_time()

    def note(self, iteration: int, policy: Policy) -> None:
        """Measure the utility, every so often."""
        if iteration % EVERY:
            return
        stopped = time.process_time()
        answers = sample(policy, self._ids, SamplingSettings(), ANSWER, generator(0)).answers
        mean = sum(map(utility, self._requests, answers)) / HELD_OUT
        self.points.append(Point(self._side, self._seed, iteration, stopped - self._started, mean))
        self._started += time.process_time() - stopped


def _encoded(tokenizer: Any, count: int, seed: int) -> list[list[int]]:
    rows = [world.turns(request) for request in prompts(count, seed)]
    return [prompt.ids for prompt in encode_prompts(tokenizer, rows, world.LIMITS.max_prompt_tokens)]


def prepare(folder: Path) -> None:
    """Save the SFT model and the reward model that all start from."""
    trl_library.quiet()
    world.save_sft_model(folder / "sft", DEMONSTRATIONS)
    model = reward.fit(Policy.load(folder / "sft"), world.pairs(PAIRS, 2, 0), RewardSettings(), world.LIMITS, 0)
    model.save(folder / "reward")


def ours(folder: Path, seed: int, iterations: int) -> list[Point]:
    """Train with our defaults."""
    trl_library.quiet()
    policy = Policy.load(folder / "sft")
    engine = LocalEngine(policy, Policy.load(folder / "sft"), RewardModel.load(folder / "reward"))
    clock = Clock(SIDES[0], seed, policy.tokenizer)
    algorithm = OURS.model_copy(update={"steps": iterations})
    ids = _encoded(policy.tokenizer, PROMPTS, 0)
    clock.note(0, policy)
    clock.start()
    algorithm.train(engine, ids, ANSWER, log=lambda _, step, total=None: clock.note(step + 1, policy), seed=seed)
    return clock.points


class Scores(nn.Module):
    """Our reward model as the backbone of a model that TRL can score with: the hidden states are the scores."""

    def __init__(self, model: RewardModel, starts: int) -> None:
        """Answers begin after the last token `starts`."""
        super().__init__()
        self.model, self.starts = model, starts

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_: Any) -> BaseModelOutput:
        """Scores of padded texts, (B, T, 1), the same at each position."""
        questions, answers = [], []
        for ids, mask in zip(input_ids, attention_mask.bool(), strict=True):
            row = ids[mask].tolist()
            start = len(row) - row[::-1].index(self.starts)
            questions.append(row[:start])
            answers.append(row[start:])
        scores = self.model(pad(questions, answers, 0))
        return BaseModelOutput(hidden_states=(scores[:, None, None].expand(*input_ids.shape, 1),))


class RewardForTRL(nn.Module):
    """What TRL expects of a reward model."""

    base_model_prefix = "backbone"

    def __init__(self, backbone: Scores) -> None:
        super().__init__()
        self.backbone, self.score = backbone, nn.Identity()


class Noting(TrainerCallback):  # type: ignore[misc]  # untyped in transformers
    """Measures the utility of TRL's policy."""

    def __init__(self, note: Callable[[int], None]) -> None:
        self._note = note

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """An iteration has ended."""
        self._note(state.global_step)


def theirs(folder: Path, side: str, seed: int, iterations: int, library: Path) -> list[Point]:
    """Train with TRL."""
    trl_library.quiet()
    trl_library.find(library)
    trl, tokenizer = trl_library.load("trl.experimental.ppo"), load_tokenizer(folder / "sft")
    tokenizer.padding_side = "left"
    model, reference = (AutoModelForCausalLM.from_pretrained(folder / "sft", dtype=torch.float32) for _ in range(2))
    score = RewardModel.load(folder / "reward")
    value = AutoModelForSequenceClassification.from_pretrained(folder / "reward", num_labels=1, dtype=torch.float32)
    value.score = score.critic().head
    backbone = Scores(score, tokenizer.convert_tokens_to_ids("<|assistant|>"))
    clock, policy = Clock(side, seed, tokenizer), Policy(WholeNetwork(model), tokenizer)
    with tempfile.TemporaryDirectory() as output:
        settings = trl.PPOConfig(
            output_dir=output,
            seed=seed,
            per_device_train_batch_size=OURS.episodes,
            local_rollout_forward_batch_size=OURS.episodes,
            total_episodes=iterations * OURS.episodes,
            learning_rate=OURS.learning_rate,
            stop_token="eos",
            num_sample_generations=0,
            **trl_library.PLAIN,
            **(EQUAL if side == SIDES[1] else ITS_OWN),
        )
        trainer = trl.PPOTrainer(
            args=settings,
            processing_class=tokenizer,
            model=model,
            ref_model=reference,
            reward_model=RewardForTRL(backbone),
            value_model=value,
            train_dataset=Dataset.from_dict({"input_ids": _encoded(tokenizer, PROMPTS, 0)}),
            callbacks=[Noting(lambda step: clock.note(step, policy))],
        )
        clock.note(0, policy)
        clock.start()
        with redirect_stdout(StringIO()):
            trainer.train()
    return clock.points


def seconds_to(points: Sequence[Point], goal: float) -> float | None:
    """CPU seconds until a utility was reached, by linear interpolation; None if it was not."""
    for before, after in pairwise(points):
        if after.utility >= goal:
            share = (goal - before.utility) / (after.utility - before.utility)
            return before.cpu + share * (after.cpu - before.cpu)
    return None


def table(points: Sequence[Point]) -> str:
    """Utility by CPU seconds of each side and seed, as Markdown."""
    steps = sorted({point.iteration for point in points})
    lines = [f"| side, seed | {' | '.join(f'{step} iterations' for step in steps)} |", "|---" * (len(steps) + 1) + "|"]
    for side, seed in dict.fromkeys(point[:2] for point in points):
        own = {point.iteration: point for point in points if point[:2] == (side, seed)}
        cells = (f"{own[step].utility:+.2f} ({own[step].cpu:.0f} s)" if step in own else "–" for step in steps)
        lines.append(f"| {side}, {seed} | {' | '.join(cells)} |")
    return "\n".join(lines)


def reached(points: Sequence[Point], after: int) -> str:
    """How long each needed for the utility that ours had after some iterations."""
    lines = []
    for seed in dict.fromkeys(point.seed for point in points):
        own = {side: [point for point in points if point[:2] == (side, seed)] for side in SIDES}
        [goal] = (point for point in own["ours"] if point.iteration == after)
        for side in SIDES[1:]:
            spent = seconds_to(own[side], goal.utility)
            needed = f"{spent:.0f} s, {spent / goal.cpu:.1f} times" if spent else "not reached"
            longest = max(point.cpu for point in own[side])
            lines.append(
                f"- Seed {seed}: ours had {goal.utility:+.2f} after {after} iterations and {goal.cpu:.0f} s; {side}: "
                f"{needed} (trained for {longest:.0f} s)."
            )
    return "\n".join(lines)


def report(points: Sequence[Point], facts: str, after: int) -> str:
    """The measurements as a page."""
    about = f"Mean true utility of answers to {HELD_OUT} held-out prompts (3 at most), after CPU seconds of training. "
    about += (
        f"Both sides start from\nthe same SFT model ({DEMONSTRATIONS} demonstrations), reward model ({PAIRS} pairs)"
    )
    about += (
        f" and {PROMPTS} prompts, and sample {OURS.episodes} answers\nan iteration. Target: the utility of ours in at "
    )
    about += "most a third of TRL's time, so 3 times or more."
    command = "python -m benchmarks.ppo_utility --trl FOLDER"
    parts = [f"# True utility by time, beside TRL\n\n{facts};\n`{command}`", about, table(points)]
    return "\n\n".join([*parts, reached(points, after)]) + "\n"


def main() -> None:
    """Measure, print the table, write the results."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--trl", type=Path, required=True, metavar="FOLDER")
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--iterations", type=int, default=20, help="of TRL; ours has half as many")
    options.add_argument("--into", type=Path, default=Path("build/ppo_utility"), help="folder of the models")
    chosen = options.parse_args()
    trl_library.find(chosen.trl)
    if not (chosen.into / "reward").exists():
        in_child(prepare, chosen.into)
    points: list[Point] = []
    for seed in range(chosen.seeds):
        points += in_child(ours, chosen.into, seed, chosen.iterations // 2)
        for side in SIDES[1:]:
            points += in_child(theirs, chosen.into, side, seed, chosen.iterations, chosen.trl.resolve())
    facts = f"{datetime.now(UTC):%Y-%m-%d}, one thread of {os.cpu_count()} {platform.machine()} cores, "
    facts += f"load {os.getloadavg()[0]:.1f}, torch {torch.__version__}, transformers {transformers.__version__}, "
    facts += f"TRL {trl_library.VERSION}"
    page = report(points, facts, chosen.iterations // 2)
    write_json(RESULTS / "ppo_utility.json", {"facts": facts, "points": [point._asdict() for point in points]})
    write_text(RESULTS / "ppo_utility.md", page)
    print(page)


if __name__ == "__main__":
    main()
