"""Training on several processes gives what one process gives: with whole models, with adapters, and uneven rows."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from models import ranks, sft
from models.adapters import AdapterSettings
from models.algorithms.ppo import PPO
from models.checkpoints import Checkpoints
from models.compute import Sharding
from models.engines.local import LocalEngine
from models.policy import ModelSettings, Policy, build
from models.ranks import ALONE, Ranks, SharedPart, shared
from models.reward import RewardSettings, fit
from models.shared_base import SharedBase
from models.tokens import Batch
from tests.models.processes import on_ranks
from tests.models.test_reward import polite

SHAPE = ModelSettings(
    width=16, layers=2, heads=2, feed_forward=32, vocabulary=300, max_prompt_tokens=24, microbatch_tokens=40
)
PROMPTS = [[10, 11, 4], [12, 4], [13, 14, 15, 4], [16, 4], [17, 18, 4]]
PAIRS = polite(13)


def halves(rows: object) -> list[list[int]]:
    assert isinstance(rows, list)
    return [rows[start : start + 2] for start in range(0, len(rows), 2)]


def test_each_row_is_in_one_part_of_one_rank_and_all_ranks_have_equally_many_parts() -> None:
    rows = [7, 8, 9, 10, 11, 12, 13]
    first, second, third = (shared(rows, halves, Ranks(index, 3)) for index in range(3))
    assert first == [SharedPart([7, 10], 1.0), SharedPart([13], 1.0)]
    assert second == [SharedPart([8, 11], 1.0), SharedPart([7], 0.0)]
    assert third == [SharedPart([9, 12], 1.0), SharedPart([7], 0.0)]


def test_one_process_has_all_rows() -> None:
    assert ranks.current() == ALONE
    assert shared([1, 2, 3], halves, ALONE) == [SharedPart([1, 2], 1.0), SharedPart([3], 1.0)]
    assert ranks.total(2.5) == 2.5


def sums() -> dict[str, Tensor]:
    here = ranks.current()
    numbers, counts = torch.full((3,), float(here.index + 1)), torch.tensor([[here.index]])
    weights = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2), False)]
    if here.first:
        weights[0].grad = torch.tensor([1.0, 2.0])
    weights[1].grad = torch.tensor([10.0, 20.0])
    ranks.add_up([numbers, counts])
    ranks.add_up_gradients(weights)
    assert weights[2].grad is None
    with ranks.alone():
        own = ranks.total(5.0)
    result = {"numbers": numbers, "counts": counts, "own": torch.tensor(own), "total": torch.tensor(ranks.total(0.5))}
    return result | {f"weight {ix}": weight.grad for ix, weight in enumerate(weights) if weight.grad is not None}


@pytest.mark.parametrize("bucket", [ranks.BUCKET, 1])
def test_sums_over_three_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: int) -> None:
    monkeypatch.setattr(ranks, "BUCKET", bucket)
    for got in on_ranks(3, sums, tmp_path / "sums"):
        assert got["numbers"].tolist() == [6, 6, 6]  # 1 + 2 + 3
        assert got["counts"].tolist() == [[3]]  # 0 + 1 + 2
        assert got["weight 0"].tolist() == [1, 2]  # two ranks have no gradient
        assert got["weight 1"].tolist() == [30, 60]
        assert got["total"].item() == 1.5
        assert got["own"].item() == 5


def told() -> dict[str, Tensor]:
    here = ranks.current()
    answer = ranks.told(lambda: {"rank": here.index, "alone": ranks.current() == ALONE})
    return {name: torch.tensor(int(value)) for name, value in answer.items()}


def test_all_ranks_are_told_what_the_first_one_alone_computed(tmp_path: Path) -> None:
    for got in on_ranks(3, told, tmp_path / "told"):
        assert got == {"rank": 0, "alone": 1}
    assert ranks.told(lambda: "by itself") == "by itself"


def even(batch: Batch) -> Tensor:
    return ((batch.ids % 2 == 0) & batch.response).sum(1) / batch.response.sum(1)


def start(adapter: bool, how: Sharding | None = None) -> tuple[Policy, Policy]:
    """The policy and its reference."""
    texts = ["where is my parcel"]
    if not adapter:
        policy, reference = (build(SHAPE, texts, how=how) for _ in range(2))
        return policy, reference
    policy = build(SHAPE, texts)
    base = SharedBase(policy.model, policy.tokenizer, "0" * 16, SHAPE.compute._replace(sharding=how))
    first, second = (
        Policy(base.add(name, AdapterSettings(rank=2), seed=1), policy.tokenizer) for name in ("policy", "sft")
    )
    return first, second


Logged = list[dict[str, float]]


def noting(logged: Logged) -> Callable[..., None]:
    def log(metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        logged.append({name: value for name, value in metrics.items() if not name.startswith("time/")})

    return log


def whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def result(policy: Policy, logged: Logged) -> dict[str, Tensor]:
    """The weights, and the metrics of each step."""
    weights = {name: whole(tensor.detach()).clone() for name, tensor in policy.network.state_dict().items()}
    return weights | {
        f"{ix} {name}": torch.tensor(value) for ix, each in enumerate(logged) for name, value in each.items()
    }


def ppo(adapter: bool, critic: str, how: Sharding | None = None) -> dict[str, Tensor]:
    # seven answers on two or three ranks, in minibatches of three: one of them has a single row
    knobs = PPO(steps=3, episodes=7, minibatch=3, learning_rate=1e-3, critic_learning_rate=1e-3).model_copy(
        update={"critic": critic}
    )
    policy, reference = start(adapter, how)
    logged: Logged = []
    knobs.train(LocalEngine(policy, reference, even), PROMPTS, 6, log=noting(logged))
    return result(policy, logged)


def reward(adapter: bool, how: Sharding | None = None) -> dict[str, Tensor]:
    policy, _ = start(adapter, how)
    logged: Logged = []
    model = fit(policy, PAIRS, RewardSettings(epochs=2, batch=5), SHAPE, seed=0, log=noting(logged))
    scorer = Policy(model.scorer.network, policy.tokenizer)
    return result(scorer, logged) | {"normalisation": torch.tensor([model.mean, model.std])}


def supervised(adapter: bool, how: Sharding | None = None) -> dict[str, Tensor]:
    policy, _ = start(adapter, how)
    rows = [{"prompt": row["prompt"], "completion": row["chosen"], "weight": 1.0 + ix} for ix, row in enumerate(PAIRS)]
    logged: Logged = []
    sft.fit(policy, rows, sft.SFTSettings(epochs=2, batch=5, learning_rate=1e-3), SHAPE, 0, noting(logged))
    return result(policy, logged)


class _Interrupted(Exception):
    """Training ends here."""


def interrupted(folder: Path, at: int | None, how: Sharding | None = None) -> Callable[[], dict[str, Tensor]]:
    """PPO with a checkpoint after each iteration, which ends in the iteration `at`, or at its end."""

    def work() -> dict[str, Tensor]:
        def log(metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
            if step == at:
                raise _Interrupted

        policy, reference = start(adapter=False, how=how)
        knobs = PPO(steps=4, episodes=7, minibatch=3, learning_rate=1e-3, critic_learning_rate=1e-3, checkpoint_every=1)
        with suppress(_Interrupted):
            knobs.train(LocalEngine(policy, reference, even), PROMPTS, 6, Checkpoints(folder, "run"), log)
        return result(policy, [])

    return work


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2), (3, 2)])
def test_a_checkpoint_is_continued_by_another_number_of_ranks(tmp_path: Path, before: int, after: int) -> None:
    [expected] = on_ranks(1, interrupted(tmp_path / "whole", None), tmp_path / "undisturbed")
    on_ranks(before, interrupted(tmp_path / "state", 2), tmp_path / "first")
    assert (tmp_path / "state").exists()
    for got in on_ranks(after, interrupted(tmp_path / "state", None), tmp_path / "second"):
        for name, value in expected.items():
            torch.testing.assert_close(got[name], value, rtol=1e-4, atol=1e-5)


TRAININGS: dict[str, Callable[[], dict[str, Tensor]]] = {
    "ppo, full": lambda: ppo(False, "separate"),
    "ppo, adapter": lambda: ppo(True, "separate"),
    "ppo, shared critic": lambda: ppo(False, "shared"),
    "reward, full": lambda: reward(False),
    "reward, adapter": lambda: reward(True),
    "sft, full": lambda: supervised(False),
    "sft, adapter": lambda: supervised(True),
}


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("training", TRAININGS)
def test_ranks_learn_what_one_process_learns(training: str, count: int, tmp_path: Path) -> None:
    [expected] = on_ranks(1, TRAININGS[training], tmp_path / "one")
    results = on_ranks(count, TRAININGS[training], tmp_path / "several")
    for name, value in expected.items():
        assert all(torch.equal(results[0][name], other[name]) for other in results[1:]), f"{name} differs between ranks"
        torch.testing.assert_close(results[0][name], value, rtol=1e-4, atol=1e-5, msg=f"{name}: ".__add__)
