"""Adapters on one base, and the two silent traps of peft."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.errors import BadModel, BadParams
from models.adapters import AdapterSettings, read
from models.compute import Compute
from models.network import WholeNetwork
from models.packing import pack
from models.policy import Policy
from models.shared_base import AdapterNetwork, SharedBase
from models.tokens import Batch, pad
from tests.models.adapted import KNOBS, moved

ROLES = ("sft", "policy", "champion", "reward", "critic", "judge")


def batch() -> Batch:
    return pad([[3, 9, 4], [3, 7, 4]], [[9, 1], [8, 8, 1]], 1)


def shared(tiny: Policy, compute: Compute | None = None) -> SharedBase:
    return SharedBase(copy.deepcopy(tiny.model), tiny.tokenizer, "0123456789abcdef", compute or Compute())


def merged(tiny: Policy, network: AdapterNetwork) -> WholeNetwork:
    """A model of its own whose weights are W + (alpha / rank) B A."""
    model = copy.deepcopy(tiny.model)
    tensors = network.state_dict()
    with torch.no_grad():
        for path, layer in model.named_modules():
            if f"{path}.lora_A" in tensors:
                layer.weight += 16 / 2 * tensors[f"{path}.lora_B"] @ tensors[f"{path}.lora_A"]
    return WholeNetwork(model)


def test_a_new_adapter_and_no_adapter_are_the_base_bit_for_bit(tiny: Policy) -> None:
    expected, base = tiny.logprobs(batch()), shared(tiny)
    assert torch.equal(base.add("sft", KNOBS, seed=0).logprobs(batch()), expected)
    moved(base, "policy", 1)
    with base.active(None):
        hidden = base.model.base_model(input_ids=batch().ids, use_cache=False).last_hidden_state
    assert torch.equal(hidden, tiny.network.hidden(batch().ids))


def test_adapters_of_a_base_in_bfloat16_are_float32(tiny: Policy, tmp_path: Path) -> None:
    base = SharedBase(copy.deepcopy(tiny.model).bfloat16(), tiny.tokenizer, "0123456789abcdef", Compute("bfloat16"))
    made = moved(base, "policy", 1)
    made.save(tmp_path, tiny.tokenizer)
    networks = [made, made.copy("critic"), base.load("champion", tmp_path)]
    assert [{tensor.dtype for tensor in network.state_dict().values()} for network in networks] == [{torch.float32}] * 3
    rough, exact = made.logprobs(batch()), moved(shared(tiny), "policy", 1).logprobs(batch())
    assert 0 < (rough - exact).abs().max().item() < 0.1
    assert {weight.dtype for name, weight in base.model.named_parameters() if "lora_" not in name} == {torch.bfloat16}


def test_six_adapters_on_one_base_equal_six_models(tiny: Policy) -> None:
    base = shared(tiny)
    networks = [moved(base, name, seed) for seed, name in enumerate(ROLES)]
    own = [network.logprobs(batch()) for network in networks]
    for network, logprobs in zip(networks, own, strict=True):
        torch.testing.assert_close(logprobs, merged(tiny, network).logprobs(batch()), atol=1e-5, rtol=0)
    assert min((a - b).abs().max().item() for a in own for b in own if a is not b) > 1e-3
    assert torch.equal(networks[0].logprobs(batch()), own[0])  # whatever was used in between


def test_a_switch_leaves_the_gradients_of_other_adapters_on(tiny: Policy) -> None:
    """With peft alone, no tensor of the first adapter gets a gradient."""
    base = shared(tiny)
    policy, critic = moved(base, "policy", 1), moved(base, "critic", 2)
    parameters = [*policy.parameters(), *critic.parameters()]
    for network in (policy, critic):
        torch.autograd.backward(network.logprobs(batch()).sum())
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in parameters)
    assert not any(weight.grad is not None for name, weight in base.model.named_parameters() if "lora_" not in name)


def test_a_switch_between_forward_and_backward_is_refused(tiny: Policy) -> None:
    base = shared(tiny, Compute(recompute=True))
    policy, other = moved(base, "policy", 1), moved(base, "critic", 2)
    policy.parameters()
    waiting = policy.logprobs(batch()).sum()
    with pytest.raises(RuntimeError, match="policy has a forward pass"):
        other.logprobs(batch())
    torch.autograd.backward(waiting)
    other.logprobs(batch())


def test_a_packed_forward_pass_is_that_of_a_model_of_its_own_and_refuses_a_switch(tiny: Policy) -> None:
    base = shared(tiny)
    policy, other = moved(base, "policy", 1), moved(base, "critic", 2)
    texts = pad([[3, 9, 4]] * 2 + [[3, 7]], [[9, 1], [8, 8, 1], [5]], 1)
    parameters, own = policy.parameters(), merged(tiny, policy)
    waiting = policy.hidden_packed(pack(texts, (2, 1)))[texts.mask]
    torch.testing.assert_close(waiting, own.hidden(texts.ids)[texts.mask], atol=1e-5, rtol=0)
    with pytest.raises(RuntimeError, match="policy has a forward pass"):
        other.hidden_packed(pack(texts, (2, 1)))
    weights = torch.linspace(-1, 1, waiting.numel()).reshape(waiting.shape)
    torch.autograd.backward((waiting * weights).sum())
    together = [parameter.grad for parameter in parameters if parameter.grad is not None]
    largest = max(gradient.abs().max().item() for gradient in together)
    for parameter in parameters:
        parameter.grad = None
    torch.autograd.backward((policy.hidden(texts.ids)[texts.mask] * weights).sum())
    for first, parameter in zip(together, parameters, strict=True):
        torch.testing.assert_close(first, parameter.grad, rtol=1e-5, atol=1e-5 * largest)
    other.hidden_packed(pack(texts, (2, 1)))


def test_a_forward_pass_whose_graph_is_gone_blocks_nothing(tiny: Policy) -> None:
    base = shared(tiny)
    policy, other = moved(base, "policy", 1), moved(base, "critic", 2)
    policy.parameters()
    policy.logprobs(batch())
    other.logprobs(batch())


def test_gradients_are_those_of_a_model_of_its_own_with_and_without_recomputation(tiny: Policy) -> None:
    def gradients(recompute: bool) -> list[Tensor]:
        network = moved(shared(tiny, Compute(recompute=recompute)), "policy", 1)
        parameters = network.parameters()
        torch.autograd.backward(network.logprobs(batch()).sum())
        return [parameter.grad for parameter in parameters if parameter.grad is not None]

    kept, recomputed = gradients(False), gradients(True)
    assert len(kept) == 2 * 7 * 2  # two matrices for each of seven layers in two blocks
    for first, second in zip(kept, recomputed, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-7)


def test_a_saved_adapter_is_loaded_again_bit_for_bit(tiny: Policy, tmp_path: Path) -> None:
    network = moved(shared(tiny), "policy", 1)
    network.save(tmp_path, tiny.tokenizer)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "adapter.json",
        "adapter.safetensors",
        "chat_template.jinja",
    ]
    loaded = shared(tiny).load("another", tmp_path)
    assert torch.equal(loaded.logprobs(batch()), network.logprobs(batch()))
    facts = read(tmp_path)
    assert (facts.rank, facts.alpha, facts.base) == (2, 16.0, "0123456789abcdef")
    assert facts.targets == ("down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj")


SAVE = """
import sys
from pathlib import Path
from tests.models.adapted import moved
from tests.models.test_adapters import shared
from models.policy import Policy
policy = Policy.load(sys.argv[1])
moved(shared(policy), sys.argv[3], 1).save(Path(sys.argv[2]), policy.tokenizer)
"""


def test_equal_adapters_have_equal_files_whatever_the_hash_seed_and_the_folder(saved: Path, tmp_path: Path) -> None:
    files = []
    for seed, name in (("1", "policy"), ("2", "champion")):
        folder = tmp_path / seed
        folder.mkdir()
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", SAVE, str(saved), str(folder), name], env=environment, check=True)
        files.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert files[0] == files[1]


def test_an_adapter_of_another_base_is_refused(tiny: Policy, tmp_path: Path) -> None:
    moved(shared(tiny), "policy", 1).save(tmp_path, tiny.tokenizer)
    other = SharedBase(copy.deepcopy(tiny.model), tiny.tokenizer, "fedcba9876543210")
    with pytest.raises(BadModel, match="0123456789ab"):
        other.load("policy", tmp_path)


def test_lost_tensors_are_noticed(tiny: Policy, tmp_path: Path) -> None:
    moved(shared(tiny), "policy", 1).save(tmp_path, tiny.tokenizer)
    facts = json.loads((tmp_path / "adapter.json").read_text())
    facts["targets"].append("embed_tokens")
    (tmp_path / "adapter.safetensors").write_bytes((tmp_path / "adapter.safetensors").read_bytes()[:-40])
    with pytest.raises(BadModel, match="damaged"):
        shared(tiny).load("policy", tmp_path)


def test_an_unknown_target_is_refused_with_those_that_there_are(tiny: Policy) -> None:
    with pytest.raises(BadParams, match=r"'query'.*q_proj"):
        shared(tiny).add("policy", AdapterSettings(targets=("query",)), seed=0)


def test_the_same_seed_gives_the_same_new_adapter(tiny: Policy) -> None:
    first, again, other = (shared(tiny).add("sft", KNOBS, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_released_adapter_frees_its_name(tiny: Policy) -> None:
    base = shared(tiny)
    moved(base, "policy", 1).release()
    assert base.unused("policy") == "policy"
    expected = tiny.logprobs(batch())
    assert torch.equal(base.add("policy", KNOBS, seed=0).logprobs(batch()), expected)
