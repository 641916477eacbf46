import math

import pytest
import torch
from datasets import Dataset

from core.errors import BadParams
from models.compute import Compute
from models.policy import ModelSettings, Policy, build
from models.rollout import SamplingSettings, sample
from models.seeding import generator
from models.sft import SFTSettings, _accumulate, answer_loss, encode, fit
from models.tokens import encode_prompts, pad

SHAPE = ModelSettings(
    width=16, layers=1, heads=2, feed_forward=32, vocabulary=300, max_prompt_tokens=16, max_answer_tokens=12
)
ANSWERS = {"where is it": "on its way", "thank you": "with pleasure", "can I": "yes you can"}
KNOBS = SFTSettings(epochs=40, batch=4, learning_rate=2e-2)


def demonstrations(answers: dict[str, str], weight: float = 1.0) -> Dataset:
    rows = [{"prompt": [{"role": "user", "content": ask}], "completion": to} for ask, to in answers.items()]
    return Dataset.from_list([{**row, "weight": weight} for row in rows])


@pytest.fixture
def policy() -> Policy:
    return build(SHAPE, [*ANSWERS, *ANSWERS.values()] * 3)


def replies(policy: Policy) -> list[str]:
    prompts = [[{"role": "user", "content": ask}] for ask in ANSWERS]
    ids = [encoded.ids for encoded in encode_prompts(policy.tokenizer, prompts, 16)]
    return sample(policy, ids, SamplingSettings(), 12, generator(0), greedy=True).answers


@pytest.mark.learning
def test_it_learns_to_give_the_demonstrated_answers(policy: Policy) -> None:
    summary = fit(policy, demonstrations(ANSWERS), KNOBS, SHAPE, seed=0)
    assert replies(policy) == list(ANSWERS.values())  # none of their tokens below probability 0.87 in 11 seeds
    assert summary["loss"] < 0.5  # at most 0.041
    assert summary["examples"] == 3


@pytest.mark.learning
def test_a_row_without_weight_teaches_nothing(policy: Policy) -> None:
    lies = demonstrations(dict.fromkeys(ANSWERS, "no"), weight=0.0)
    both = Dataset.from_list([*demonstrations(ANSWERS), *lies])
    fit(policy, both, KNOBS, SHAPE, seed=0)
    assert replies(policy) == list(ANSWERS.values())  # none of their tokens below 0.97 in 11 seeds


def test_the_loss_is_a_weighted_mean_over_answer_tokens(policy: Policy) -> None:
    with torch.no_grad():
        for weight in policy.model.parameters():
            weight.zero_()  # all logits 0: every token costs log V
        loss = answer_loss(policy, pad([[3, 4], [3]], [[5], [6, 7, 8]], 0), torch.tensor([2.0, 0.5]), 2 * 1 + 0.5 * 3)
    assert loss.item() == pytest.approx(math.log(len(policy.tokenizer)))


def test_a_heavy_row_counts_more(policy: Policy) -> None:
    batch = pad([[3, 9, 4], [3, 8, 4]], [[9, 1], [8, 8, 1]], 0)

    def loss(*weights: float) -> float:
        return answer_loss(policy, batch, torch.tensor(weights), 2 * weights[0] + 3 * weights[1]).item()

    # two tokens of weight 3 and three of weight 1: (3 · 2 · first + 1 · 3 · second) / (3 · 2 + 1 · 3)
    assert loss(3.0, 1.0) == pytest.approx((6 * loss(1.0, 0.0) + 3 * loss(0.0, 1.0)) / 9, rel=1e-5)


def test_microbatches_add_up_to_the_gradient_of_the_minibatch(policy: Policy) -> None:
    """Answers of different lengths and weights: the mean of the means of the parts would be another gradient."""
    rows = [*demonstrations(ANSWERS), *demonstrations({"can I return the lamp to you": "no"}, weight=3.0)]
    encoded = encode(policy.tokenizer, rows, SHAPE)
    weights, gradients, losses = list(policy.model.parameters()), [], []
    for tokens in (10_000, 1):
        policy.network.compute = Compute(microbatch_tokens=tokens)
        losses.append(_accumulate(policy, encoded, [0, 1, 2, 3]))
        gradients.append([weight.grad for weight in weights])
        for weight in weights:
            weight.grad = None
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    for whole, parts in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, parts, rtol=0, atol=1e-5)
        assert whole.abs().max() > 1e-3


def test_the_same_seed_gives_the_same_weights() -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        policy = build(SHAPE, ANSWERS)
        fit(policy, demonstrations(ANSWERS), SFTSettings(epochs=2, batch=1), SHAPE, seed)
        return list(policy.model.state_dict().values())

    first, again, other = weights(1), weights(1), weights(2)
    assert all(map(torch.equal, first, again))
    assert not all(map(torch.equal, first, other))


def test_nothing_to_learn_changes_nothing(policy: Policy) -> None:
    before = [weight.clone() for weight in policy.model.parameters()]
    assert fit(policy, demonstrations({}), KNOBS, SHAPE, seed=0) == {
        "examples": 0.0,
        "cut_prompts": 0.0,
        "cut_answers": 0.0,
    }
    assert all(map(torch.equal, before, policy.model.parameters()))


def test_cut_prompts_are_counted(policy: Policy) -> None:
    long = demonstrations({"where is it " * 20: "here", "short": "yes " * 50})
    shown = encode(policy.tokenizer, long, SHAPE)
    assert shown.cut_prompts == 0.5
    assert max(map(len, shown.prompts)) == 16
    assert max(map(len, shown.answers)) == 12


def test_a_loss_that_is_no_number_stops_the_training(policy: Policy) -> None:
    with pytest.raises(BadParams, match=r"lower sft\.learning_rate=1e\+30"):
        fit(policy, demonstrations(ANSWERS), SFTSettings(learning_rate=1e30, warm_up=0), SHAPE, seed=0)


def test_progress_is_reported(policy: Policy) -> None:
    heard: list[tuple[set[str], int, int | None]] = []
    fit(
        policy,
        demonstrations(ANSWERS),
        SFTSettings(epochs=2, batch=2),
        SHAPE,
        seed=0,
        log=lambda metrics, step, total=None: heard.append((set(metrics), step, total)),
    )
    assert heard == [({"loss", "grad_norm"}, step, 4) for step in range(4)]
