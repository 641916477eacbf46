"""Ranks of which one is killed at any moment end, and started again they end with the same weights."""

import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.algorithms.ppo import PPO
from models.checkpoints import Checkpoints
from models.compute import Sharding
from models.engines.local import LocalEngine
from tests.models.processes import on_ranks, started
from tests.models.test_killed_training import PROMPTS, even, noted, steps
from tests.models.test_ranks import start, whole

KNOBS = PPO(steps=8, episodes=8, minibatch=4, checkpoint_every=1, learning_rate=1e-2, critic_learning_rate=1e-2)
RANKS = 2
MOMENTS = 6


def training(how: Sharding | None, folder: Path) -> dict[str, Tensor]:
    policy, reference = start(adapter=False, how=how)
    engine = LocalEngine(policy, reference, even)
    KNOBS.train(engine, PROMPTS, 6, Checkpoints(folder / "state", "run"), noted(folder))
    return {name: whole(tensor.detach()).clone() for name, tensor in policy.network.state_dict().items()}


@pytest.mark.chaos
@pytest.mark.parametrize("how", [None, Sharding()])
@pytest.mark.parametrize("victim", range(RANKS))
def test_killed_anywhere_ranks_end_with_the_same_weights(victim: int, how: Sharding | None, tmp_path: Path) -> None:
    (tmp_path / "undisturbed").mkdir()
    expected = on_ranks(RANKS, lambda: training(how, tmp_path / "undisturbed"), tmp_path / "undisturbed-ranks")
    total = steps(tmp_path / "undisturbed")
    for seed in range(MOMENTS):
        folder, shuffle = tmp_path / str(seed), random.Random(seed)
        folder.mkdir()
        children = started(RANKS, partial(training, how, folder), tmp_path / f"{seed}-killed")
        moment = shuffle.randrange(total)
        deadline = time.monotonic() + 60
        while steps(folder) < moment:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(shuffle.random() * 0.02)
        os.kill(children[victim], signal.SIGKILL)
        for child in children:  # the other one loses the connection and ends
            os.waitpid(child, 0)
        again = on_ranks(RANKS, partial(training, how, folder), tmp_path / f"{seed}-again")
        for name, value in expected[0].items():
            assert all(torch.equal(got[name], value) for got in again), f"seed {seed}, killed after report {moment}"
