"""Updates by hand: microbatches add up, policy and critic learn in one or in two networks, checkpoints continue."""

import weakref
from typing import get_args

import pytest
import torch
from torch import Tensor

from models.compute import Compute, Computed
from models.engines import Loss, Step
from models.engines.local import LocalEngine, adam, descend
from models.mismatch import RolloutMismatch
from models.network import WholeNetwork
from models.policy import ModelSettings, Policy, build
from models.rollout import Rollout, SamplingSettings
from models.seeding import generator
from models.tokens import Batch, pad

SHAPE = ModelSettings(width=16, layers=1, heads=2, feed_forward=32, vocabulary=261)
BATCH = pad([[3, 9, 4], [3, 7], [5, 6, 7, 8]], [[9, 1], [8, 8, 1], [4]], 1)
STEP = Step(1e-2, clip=1.0)


def policy(compute: Compute | None = None) -> Policy:
    made = build(SHAPE, ["hello"])
    return Policy(WholeNetwork(made.model, compute or Compute()), made.tokenizer)


def engine(compute: Compute | None = None, shared: bool = False) -> LocalEngine:
    made = LocalEngine(policy(compute), policy(), lambda batch: batch.response.sum(1).float())
    made.add_critic(shared)
    return made


def likelihood(logprobs: Tensor, rows: list[int]) -> Loss:
    return Loss(-logprobs.sum() / 6, {"rows": torch.tensor(float(len(rows)))})


def squares(values: Tensor, rows: list[int]) -> Loss:
    answers = BATCH.response[rows, : values.shape[1]]
    error = ((values - 1.0).square() * answers).sum() / 6
    return Loss(error, {"error": error.detach()})


def weights(made: LocalEngine) -> list[Tensor]:
    return [weight.detach().clone() for weight in made.policy.network.parameters()]


def sampled(made: LocalEngine, shift: float) -> Rollout:
    """Answers whose log-probabilities are too high by `shift` nats, as those of a sampler with other weights."""
    rollout = made.sample([[3, 9, 4], [3, 7]], SamplingSettings(), 4, generator(0))
    return rollout._replace(logprobs=torch.where(rollout.batch.response, rollout.logprobs + shift, 0.0))


def test_a_gradient_step_clips_the_norm_and_returns_the_norm_before_clipping() -> None:
    weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    norm = descend(iter([weight.square().sum() / 4, weight.square().sum() / 4]), adam([weight]), Step(0.01, 1.0))
    assert norm.item() == pytest.approx(5.0)
    assert weight.grad is not None
    assert weight.grad.norm().item() == pytest.approx(1.0, rel=1e-5)
    assert weight.tolist() == pytest.approx([2.99, 3.99], abs=1e-4)  # Adam's first step is the learning rate


def test_microbatches_give_the_gradient_of_the_minibatch() -> None:
    whole, parts = engine(), engine(Compute(microbatch_tokens=6))
    for made in (whole, parts):
        update = made.update_policy(BATCH, range(3), 1.0, likelihood, STEP)
        assert update.metrics["rows"].item() == 3
    for first, second in zip(weights(whole), weights(parts), strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=1e-5)


def test_microbatches_give_the_gradient_of_the_minibatch_to_policy_and_shared_critic() -> None:
    whole, parts = engine(shared=True), engine(Compute(microbatch_tokens=6), shared=True)
    for _ in range(2):  # a new critic says 0 everywhere, and gives the network no gradient
        updates = [made.update_both(BATCH, range(3), 1.0, (likelihood, squares), STEP) for made in (whole, parts)]
        assert updates[0].norm.item() == pytest.approx(updates[1].norm.item(), rel=1e-5)
        assert updates[0].metrics["error"].item() == pytest.approx(updates[1].metrics["error"].item(), abs=1e-5)
    for first, second in zip(weights(whole), weights(parts), strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=1e-5)
    torch.testing.assert_close(whole.values(BATCH), parts.values(BATCH), rtol=0, atol=1e-5)


def test_only_what_is_updated_changes() -> None:
    made, reference = engine(), policy()
    before = weights(made)
    critic = made.update_critic(BATCH, range(3), squares, STEP)
    assert critic.metrics["error"].item() == pytest.approx(1.0)  # a new critic says 0 everywhere
    assert all(map(torch.equal, before, weights(made)))
    made.update_policy(BATCH, [0], 1.0, likelihood, STEP)
    assert not all(map(torch.equal, before, weights(made)))
    assert torch.equal(made.reference_logprobs(BATCH, 1.0), reference.logprobs(BATCH))


def test_a_shared_critic_learns_with_the_policy_in_one_network() -> None:
    made = engine(shared=True)
    assert made.critic.network is made.policy.network
    errors = [
        made.update_both(BATCH, range(3), 1.0, (likelihood, squares), STEP).metrics["error"].item() for _ in range(9)
    ]
    assert errors[0] == pytest.approx(1.0)
    assert errors[-1] < errors[0]
    with pytest.raises(RuntimeError, match="update_both"):
        made.update_critic(BATCH, range(3), squares, STEP)


@pytest.mark.parametrize("shared", [False, True])
def test_a_checkpoint_continues_to_the_same_weights(shared: bool) -> None:
    def step(made: LocalEngine) -> None:
        if shared:
            made.update_both(BATCH, range(3), 1.0, (likelihood, squares), STEP)
        else:
            made.update_policy(BATCH, range(3), 1.0, likelihood, STEP)
            made.update_critic(BATCH, range(3), squares, STEP)

    straight, stopped, continued = engine(shared=shared), engine(shared=shared), engine(shared=shared)
    step(straight)
    step(straight)
    step(stopped)
    continued.load_state_dict(stopped.state_dict())
    step(continued)
    assert all(map(torch.equal, weights(straight), weights(continued)))
    assert torch.equal(straight.values(BATCH), continued.values(BATCH))


def test_scores_are_those_of_the_rule() -> None:
    assert engine().scores(Batch(*BATCH)).tolist() == [2.0, 3.0, 1.0]


def test_a_closed_engine_leaves_the_weights_of_the_policy() -> None:
    made = engine()
    made.update_policy(BATCH, range(3), 1.0, likelihood, STEP)
    critic, after = weakref.ref(made.critic), weights(made)
    made.close()
    assert critic() is None
    assert all(weight.grad is None for weight in made.policy.network.parameters())
    for first, second in zip(weights(made), after, strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize(("dtype", "shift"), [("float32", 0.002), ("bfloat16", 0.2)])
def test_a_sampler_that_differs_from_the_forward_pass_is_refused(dtype: Computed, shift: float) -> None:
    made = engine(Compute(dtype))
    made.verified(sampled(made, 0.0), 1.0, iteration=3, seed=0)
    with pytest.raises(RolloutMismatch, match=f"^iteration 3: .* of llama .* the limit for {dtype}"):
        made.verified(sampled(made, shift), 1.0, iteration=3, seed=0)


def test_without_a_gpu_the_precision_is_the_type() -> None:
    assert [engine(Compute(dtype)).precision for dtype in get_args(Computed)] == ["float32", "bfloat16"]


@pytest.mark.parametrize(("dtype", "shift"), [("float32", 5e-4), ("bfloat16", 0.05)])
def test_below_the_limit_bfloat16_alone_replaces_the_samplers_log_probabilities(dtype: Computed, shift: float) -> None:
    made = engine(Compute(dtype))
    before = sampled(made, shift)
    after, mismatch, ratio = made.verified(before, 1.0, iteration=0, seed=0)
    assert mismatch.mean == pytest.approx(shift, rel=0.2)
    expected = made.logprobs(before.batch, 1.0) if dtype == "bfloat16" else before.logprobs
    assert torch.equal(after.logprobs, expected)
    assert not torch.equal(made.logprobs(before.batch, 1.0), before.logprobs)
    expected = (after.logprobs - before.logprobs).exp() if dtype == "bfloat16" else torch.ones_like(ratio)
    assert torch.equal(ratio, expected)
