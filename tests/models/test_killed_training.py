"""PPO and reward training, killed at many moments and started again, end with the same weights: full and adapters."""

import hashlib
import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from models.adapters import AdapterSettings
from models.algorithms.ppo import PPO
from models.checkpoints import Checkpoints
from models.engines.local import LocalEngine
from models.policy import ModelSettings, Policy, build
from models.reward import RewardSettings, fit
from models.shared_base import SharedBase
from models.tokens import Batch
from tests.models.test_reward import polite

SHAPE = ModelSettings(width=16, layers=2, heads=2, feed_forward=32, vocabulary=300, max_prompt_tokens=24)
KNOBS = PPO(steps=12, episodes=8, minibatch=4, checkpoint_every=1, learning_rate=1e-2, critic_learning_rate=1e-2)
PROMPTS = [[10, 11, 4], [12, 4], [13, 14, 15, 4]]
MOMENTS = 20


def start(adapter: bool) -> tuple[Policy, Policy]:
    """The policy and its reference."""
    policy, reference = (build(SHAPE, ["where is my parcel"]) for _ in range(2))
    if not adapter:
        return policy, reference
    base = SharedBase(policy.model, policy.tokenizer, "0" * 16)
    made = (Policy(base.add(name, AdapterSettings(rank=2), seed=1), policy.tokenizer) for name in ("policy", "sft"))
    first, second = made
    return first, second


def even(batch: Batch) -> torch.Tensor:
    return ((batch.ids % 2 == 0) & batch.response).sum(1) / batch.response.sum(1)


def ppo(folder: Path, adapter: bool) -> None:
    policy, reference = start(adapter)
    KNOBS.train(LocalEngine(policy, reference, even), PROMPTS, 6, Checkpoints(folder / "state", "run"), noted(folder))
    policy.save(folder / "model")


def reward(folder: Path, adapter: bool) -> None:
    policy, _ = start(adapter)
    knobs = RewardSettings(epochs=3, batch=4)
    fit(policy, polite(24), knobs, SHAPE, seed=0, log=noted(folder)).save(folder / "model")


def noted(folder: Path) -> Callable[..., None]:
    def log(metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        with (folder / "progress").open("a") as file:
            file.write(f"{step}\n")

    return log


def forked(train: Callable[[Path, bool], None], folder: Path, adapter: bool) -> int:
    """The training in a child process, which has everything imported already."""
    child = os.fork()
    if child:
        return child
    try:
        torch.set_num_threads(1)
        train(folder, adapter)
    except BaseException:
        os._exit(1)
    os._exit(0)


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((folder / "model").iterdir())}


def steps(folder: Path) -> int:
    return len((folder / "progress").read_text().splitlines()) if (folder / "progress").exists() else 0


@pytest.mark.chaos
@pytest.mark.parametrize("adapter", [False, True], ids=["full", "adapter"])
@pytest.mark.parametrize("train", [ppo, reward], ids=["ppo", "reward"])
def test_killed_anywhere_it_ends_with_the_same_weights(
    train: Callable[[Path, bool], None], adapter: bool, tmp_path: Path
) -> None:
    (tmp_path / "undisturbed").mkdir()
    assert os.waitpid(forked(train, tmp_path / "undisturbed", adapter), 0)[1] == 0
    expected, total = digest(tmp_path / "undisturbed"), steps(tmp_path / "undisturbed")
    assert total >= 12
    for seed in range(MOMENTS):
        folder, shuffle = tmp_path / str(seed), random.Random(seed)
        folder.mkdir()
        child, moment = forked(train, folder, adapter), shuffle.randrange(total)
        while steps(folder) < moment and os.waitpid(child, os.WNOHANG)[0] == 0:
            time.sleep(0.001)
        time.sleep(shuffle.random() * 0.02)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert os.waitpid(forked(train, folder, adapter), 0)[1] == 0
        assert digest(folder) == expected, f"seed {seed}, killed after step {moment}"
