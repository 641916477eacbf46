"""Training with divided weights gives what one process with whole weights gives."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.tensor import DTensor
from transformers import LlamaConfig, LlamaForCausalLM

from core.files import read_json
from models.adapters import AdapterSettings
from models.checkpoints import Checkpoints
from models.compute import IN_FLOAT32, Sharding
from models.loading import Loader
from models.network import WholeNetwork
from models.policy import Policy, build
from models.reward import RewardModel, RewardSettings, fit
from models.tokens import pad
from tests.models.processes import on_ranks
from tests.models.test_ranks import PAIRS, SHAPE, interrupted, ppo, reward, supervised

HOW = Sharding()

Training = Callable[[Sharding | None], dict[str, Tensor]]

TRAININGS: dict[str, Training] = {
    "ppo, full": lambda how: ppo(False, "separate", how),
    "ppo, adapter": lambda how: ppo(True, "separate", how),
    "ppo, shared critic": lambda how: ppo(False, "shared", how),
    "ppo, adapter, shared critic": lambda how: ppo(True, "shared", how),
    "reward, full": lambda how: reward(False, how),
    "reward, adapter": lambda how: reward(True, how),
    "sft, full": lambda how: supervised(False, how),
    "sft, adapter": lambda how: supervised(True, how),
}


@pytest.mark.parametrize("how", [HOW, Sharding(offload=True)])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("training", TRAININGS)
def test_divided_weights_learn_what_whole_ones_learn(training: str, count: int, how: Sharding, tmp_path: Path) -> None:
    [expected] = on_ranks(1, lambda: TRAININGS[training](None), tmp_path / "one")
    results = on_ranks(count, lambda: TRAININGS[training](how), tmp_path / "several")
    assert set(results[0]) == set(expected)
    for name, value in expected.items():
        assert all(torch.equal(results[0][name], other[name]) for other in results[1:]), f"{name} differs between ranks"
        torch.testing.assert_close(results[0][name], value, rtol=1e-4, atol=1e-5, msg=f"{name}: ".__add__)


@pytest.mark.parametrize(
    ("before", "after"), [((2, HOW), (1, None)), ((1, None), (2, HOW)), ((3, HOW), (2, HOW)), ((2, None), (2, HOW))]
)
def test_a_checkpoint_is_continued_by_another_number_of_ranks(
    tmp_path: Path, before: tuple[int, Sharding | None], after: tuple[int, Sharding | None]
) -> None:
    [expected] = on_ranks(1, interrupted(tmp_path / "whole", None), tmp_path / "undisturbed")
    on_ranks(before[0], interrupted(tmp_path / "state", 2, before[1]), tmp_path / "first")
    assert (tmp_path / "state").exists()
    for got in on_ranks(after[0], interrupted(tmp_path / "state", None, after[1]), tmp_path / "second"):
        for name, value in expected.items():
            torch.testing.assert_close(got[name], value, rtol=1e-4, atol=1e-5)


def stored(folder: Path, tied: bool) -> Path:
    policy = build(SHAPE, ["where is my parcel"])
    config = LlamaConfig(**{**policy.model.config.to_dict(), "tie_word_embeddings": tied, "eos_token_id": [7, 9]})
    torch.manual_seed(3)
    Policy(WholeNetwork(LlamaForCausalLM(config)), policy.tokenizer).save(folder)
    return folder


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("tied", [True, False])
def test_a_divided_model_is_loaded_and_saved_as_it_is(tmp_path: Path, tied: bool) -> None:
    base, saved = stored(tmp_path / "base", tied), tmp_path / "saved"

    def work() -> dict[str, Tensor]:
        policy = Policy.load(base, IN_FLOAT32._replace(sharding=HOW))
        own = sum(tensor.to_local().numel() for tensor in policy.network.parameters() if isinstance(tensor, DTensor))
        policy.save(saved)
        ends = torch.tensor(policy.model.generation_config.eos_token_id)
        return {"own": torch.tensor(own), "ends": ends}

    first, second = on_ranks(2, work, tmp_path / "ranks")
    expected, got = weights(base), weights(saved)
    assert set(got) == set(expected)
    assert all(torch.equal(got[name], weight) for name, weight in expected.items())
    assert (first["own"] + second["own"]).item() == sum(weight.numel() for weight in expected.values())
    assert first["ends"].tolist() == second["ends"].tolist() == [7, 9]
    assert read_json(saved / "config.json") == read_json(base / "config.json")


def test_a_divided_reward_model_is_saved_as_a_whole_one(tmp_path: Path) -> None:
    base = stored(tmp_path / "base", tied=True)

    def fitted(how: Sharding | None, folder: Path) -> Callable[[], dict[str, Tensor]]:
        def work() -> dict[str, Tensor]:
            policy = Policy.load(base, IN_FLOAT32._replace(sharding=how))
            model = fit(policy, PAIRS, RewardSettings(epochs=1, batch=5), SHAPE, seed=0)
            model.save(folder)
            return {}

        return work

    on_ranks(1, fitted(None, tmp_path / "one"), tmp_path / "whole")
    on_ranks(2, fitted(HOW, tmp_path / "two"), tmp_path / "divided")
    batch = pad([[5, 6, 7], [8, 9]], [[10, 11], [12]], 0)
    one, two = (RewardModel.load(tmp_path / name)(batch) for name in ("one", "two"))
    torch.testing.assert_close(two, one, rtol=1e-4, atol=1e-5)


def test_adapters_of_a_divided_base_are_loaded_and_saved(tmp_path: Path) -> None:
    base, start, saved = stored(tmp_path / "base", tied=False), tmp_path / "start", tmp_path / "saved"
    digest = "0" * 16
    whole = Loader(lambda _: base).new_adapter(digest, AdapterSettings(rank=2), "sft", seed=1)
    with torch.no_grad():
        for weight in whole.network.parameters():
            weight.add_(0.1)
    whole.save(start)
    batch = pad([[5, 6, 7], [8, 9]], [[10, 11], [12]], 0)

    def work() -> dict[str, Tensor]:
        loader = Loader(lambda _: base, IN_FLOAT32._replace(sharding=HOW))
        policy, reference = loader.trainable(start, "policy"), loader.policy(start)
        unchanged = torch.equal(policy.logprobs(batch), reference.logprobs(batch))
        with torch.no_grad():
            for weight in policy.network.parameters():
                weight.mul_(2)
        policy.save(saved)
        return {"unchanged": torch.tensor(unchanged), "logprobs": policy.logprobs(batch).detach()}

    for got in on_ranks(2, work, tmp_path / "ranks"):
        assert got["unchanged"]
        again = Loader(lambda _: base).policy(saved)
        torch.testing.assert_close(again.logprobs(batch).detach(), got["logprobs"], rtol=1e-5, atol=1e-6)


def test_the_adapter_of_each_role_is_in_a_checkpoint_also_while_another_one_computes(tmp_path: Path) -> None:
    base = stored(tmp_path / "base", tied=False)

    def work() -> dict[str, Tensor]:
        loader = Loader(lambda _: base, IN_FLOAT32._replace(sharding=HOW))
        roles = {
            name: loader.new_adapter("0" * 16, AdapterSettings(rank=2), name, seed=1) for name in ("policy", "critic")
        }
        with roles["policy"].network.running():
            trained = StateDictOptions(ignore_frozen_params=True)
            library = get_model_state_dict(roles["policy"].model, options=trained)
            state = {name: dict(role.network.state_dict()) for name, role in roles.items()}
            Checkpoints(tmp_path / "state", "key").save(state)
        loaded = Checkpoints(tmp_path / "state", "key").load(state)
        assert loaded is not None
        same = [
            torch.equal(loaded[name][key].full_tensor(), weight.full_tensor())
            if isinstance(weight, DTensor)
            else torch.equal(loaded[name][key], weight)
            for name in state
            for key, weight in state[name].items()
        ]
        return {
            "dropped": torch.tensor(not any("critic" in key for key in library)),
            "same": torch.tensor(all(same) and len(same) == 2 * len(state["policy"])),
        }

    for got in on_ranks(2, work, tmp_path / "ranks"):
        assert got["dropped"]  # by the library's own filter, which therefore is not used
        assert got["same"]


def test_a_divided_bfloat16_model_computes_like_a_whole_one(tmp_path: Path) -> None:
    base = stored(tmp_path / "base", tied=True)
    batch = pad([[5, 6, 7], [8, 9]], [[10, 11], [12]], 0)
    compute = IN_FLOAT32._replace(dtype="bfloat16")
    expected = Policy.load(base, compute).logprobs(batch).detach()

    def work() -> dict[str, Tensor]:
        policy = Policy.load(base, compute._replace(sharding=HOW))
        values = policy.logprobs(batch)
        torch.autograd.backward(-values.sum())
        gradients = {weight.grad.dtype for weight in policy.network.parameters() if weight.grad is not None}
        return {"logprobs": values.detach(), "float32": torch.tensor(gradients == {torch.float32})}

    for got in on_ranks(2, work, tmp_path / "ranks"):
        torch.testing.assert_close(got["logprobs"], expected, rtol=0.02, atol=0.02)
        assert got["float32"]
