import copy

import pytest
import torch
from torch import Tensor

from models.compute import Compute
from models.network import WholeNetwork
from models.policy import Policy
from models.tokens import pad

BATCH = pad([[3, 9, 4], [3, 7, 4]], [[9, 1], [8, 8, 1]], 1)


def gradients(policy: Policy, compute: Compute) -> list[Tensor]:
    network = WholeNetwork(copy.deepcopy(policy.model), compute)
    torch.autograd.backward(network.logprobs(BATCH).sum())
    return [weight.grad for weight in network.parameters() if weight.grad is not None]


def test_recomputed_activations_give_the_same_gradients_and_leave_dropout_off(tiny: Policy) -> None:
    kept, recomputed = gradients(tiny, Compute()), gradients(tiny, Compute(recompute=True))
    assert len(kept) == len(recomputed) > 10
    for first, second in zip(kept, recomputed, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-7)
    assert not any(module.training for module in tiny.model.modules())


def test_a_trunk_has_no_output_layer_and_the_same_hidden_states(tiny: Policy) -> None:
    trunk = tiny.network.copy("critic", trunk=True)
    assert torch.equal(trunk.hidden(BATCH.ids), tiny.network.hidden(BATCH.ids))
    assert not any(name.startswith("lm_head") for name in trunk.state_dict())
    trunk.load_state_dict(trunk.state_dict())


def test_bfloat16_computes_near_float32_and_trains_float32(tiny: Policy) -> None:
    rough = WholeNetwork(copy.deepcopy(tiny.model), Compute("bfloat16"))
    difference = (rough.logprobs(BATCH) - tiny.network.logprobs(BATCH)).abs().max().item()
    assert 0 < difference < 0.1
    assert {weight.dtype for weight in rough.parameters()} == {torch.float32}


def test_a_copy_shares_no_weight(tiny: Policy) -> None:
    before = tiny.network.logprobs(BATCH)
    with torch.no_grad():
        for weight in tiny.network.copy("policy").parameters():
            weight.zero_()
    assert torch.equal(tiny.network.logprobs(BATCH), before)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_logprobs_are_those_of_the_models_own_logits(tiny: Policy, temperature: float) -> None:
    logits = tiny.model(input_ids=BATCH.ids, use_cache=False).logits / temperature
    expected = logits.log_softmax(dim=-1)[:, :-1].gather(2, BATCH.ids[:, 1:, None])[:, :, 0]
    logprobs = tiny.logprobs(BATCH, temperature)
    torch.testing.assert_close(logprobs[:, 1:][BATCH.response[:, 1:]], expected[BATCH.response[:, 1:]])
