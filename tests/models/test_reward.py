import math
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

from core.errors import BadFeedback
from models import pairs, reward
from models.advantage import last_position
from models.compute import Compute
from models.pairs import PairBatch
from models.policy import ModelSettings, Policy, build
from models.reward import RewardModel, RewardSettings, fit
from models.scorer import Scorer
from models.strength import StrengthSettings
from models.tokens import pad
from tests.models import families
from tests.models.test_scorer import value_after

LIMITS = ModelSettings(
    width=16, layers=1, heads=2, feed_forward=32, vocabulary=300, max_prompt_tokens=24, max_answer_tokens=12
)
KNOBS = RewardSettings(epochs=4, batch=8, learning_rate=1e-2)


def tiny() -> Policy:
    return build(LIMITS, ["where is my parcel, thanks, go away"] * 3)


def row(prompt: str, chosen: str, rejected: str, p: float = 1.0, weight: float = 1.0) -> dict[str, Any]:
    turns = [{"role": "user", "content": prompt}]
    return {"prompt": turns, "chosen": chosen, "rejected": rejected, "p_chosen": p, "weight": weight}


def polite(count: int) -> list[dict[str, Any]]:
    """Thanks are preferred to rudeness, whatever the order number."""
    return [row(f"parcel {i}?", f"thanks {i % 7}", f"go away {i % 5}") for i in range(count)]


def batch_of(
    margin: float, p: list[float], weight: list[float], required: float = 0.0
) -> tuple[torch.Tensor, PairBatch]:
    """Two scores `margin` apart around 0, compared as often as there are labels."""
    n = len(p)
    index = torch.arange(n), torch.zeros(n, dtype=torch.int64), torch.ones(n, dtype=torch.int64)
    texts = pad([[1], [1]], [[2], [3]], 0)
    scores = torch.tensor([margin / 2, -margin / 2])
    return scores, PairBatch(texts, *index, torch.tensor(p), torch.tensor(weight), torch.full((n,), required))


def test_preference_loss_by_hand() -> None:
    scores, batch = batch_of(math.log(3), p=[1.0, 0.5], weight=[3.0, 1.0])  # σ(margin) = .75
    loss, metrics = reward.preference_loss(scores, batch, 0.0, total_weight=4.0)
    decided, tie = -math.log(0.75), -(math.log(0.75) + math.log(0.25)) / 2
    assert loss.item() == pytest.approx((3 * decided + tie) / 4)
    assert metrics.means()["accuracy"] == 1.0  # a tie has no right side


def test_a_required_margin_shifts_the_loss() -> None:
    scores, batch = batch_of(2.0, p=[1.0], weight=[1.0], required=0.5)
    loss, metrics = reward.preference_loss(scores, batch, 0.0, total_weight=1.0)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1.5)))
    assert metrics.means()["margin"] == 2.0  # the difference of the scores


def test_strength_is_read_from_the_rows() -> None:
    data = [row("a", "x", "y") | {"strength": 0.5}, row("a", "x", "z") | {"strength": None}]
    knobs = StrengthSettings(use_as="margin", scale=3.0)
    encoded = pairs.encode(tiny().tokenizer, data, 24, 12, knobs)
    assert [pair.margin for pair in encoded.pairs_of(0)] == [1.5, 0.0]


def test_centring_charges_a_common_shift() -> None:
    scores, batch = batch_of(1.0, p=[1.0], weight=[1.0])
    plain, _ = reward.preference_loss(scores + 2, batch, 0.0, total_weight=1.0)
    charged, _ = reward.preference_loss(scores + 2, batch, 0.5, total_weight=1.0)
    assert (charged - plain).item() == pytest.approx(0.5 * 4**2)


def test_each_answer_is_encoded_once() -> None:
    data = [row("a", "x", "y"), row("b", "x", "z"), row("a", "x", "w", p=0.5), row("a", "y", "w", weight=2.0)]
    encoded = pairs.encode(tiny().tokenizer, data, 24, 12)
    assert [encoded.answers_to(prompt) for prompt in (0, 1)] == [[0, 1, 3], [0, 2]]  # x y z w, in order of appearance
    assert len(encoded.texts) == 4
    [batch] = encoded.all_parts(1000, pad_id=0)
    assert batch.texts.ids.shape[0] == 5
    compared = {int(i): (int(c), int(r)) for i, c, r in zip(batch.row, batch.chosen, batch.rejected, strict=True)}
    assert compared == {0: (0, 1), 2: (0, 2), 3: (1, 2), 1: (3, 4)}
    assert batch.weight[batch.row == 3].item() == 2.0


def test_cut_prompts_are_counted() -> None:
    data = [row("parcel " * 50, "x", "y"), row("parcel " * 50, "x", "z"), row("short", "x", "y")]
    assert pairs.encode(tiny().tokenizer, data, 24, 12).truncated == 1


@pytest.mark.learning
def test_a_separable_preference_is_learned_and_scores_are_normalised() -> None:
    data, heard = polite(96), []
    model = fit(tiny(), Dataset.from_list(data), KNOBS, LIMITS, seed=0, log=lambda m, s, n=None: heard.append((s, n)))
    assert (model.margins(polite(140)[96:]) > 0).mean() > 0.95  # all of them in 11 seeds, by at least 5.6
    assert heard == [(step, 48) for step in range(48)]
    distinct = {(r["prompt"][0]["content"], r[side]) for r in data for side in ("chosen", "rejected")}
    prompts = [[{"role": "user", "content": prompt}] for prompt, _ in distinct]
    scores = model.score(prompts, [answer for _, answer in distinct])
    assert scores.mean().item() == pytest.approx(0.0, abs=1e-4)
    assert scores.std(correction=0).item() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.learning
def test_ties_keep_answers_together() -> None:
    data = [{**pair, "p_chosen": 0.5} for pair in polite(64)]
    model = fit(tiny(), data, KNOBS, LIMITS, seed=0)
    # at most 0.10 in 11 seeds; 0.42 before it learns, and above 5 where the votes decide
    assert np.abs(model.margins(data)).mean() < 0.25


@pytest.mark.learning
def test_a_weightless_pair_teaches_nothing() -> None:
    contrary = [{**pair, "chosen": pair["rejected"], "rejected": pair["chosen"], "weight": 0.0} for pair in polite(64)]
    model = fit(tiny(), polite(64) + contrary, KNOBS, LIMITS, seed=0)
    assert (model.margins(polite(64)) > 0).mean() > 0.95  # all of them in 11 seeds


def test_margins_are_in_the_order_of_the_rows_and_in_log_odds() -> None:
    model = RewardModel(Scorer.from_policy(tiny(), 0.5, surprise=0.0), 24, 12, mean=3.0, std=5.0)
    data = [row("a long question about a parcel", "thanks", "go away"), row("b", "go", "thanks"), row("a", "x", "y")]
    prompts = [pair["prompt"] for pair in data]
    chosen, rejected = (model.score(prompts, [pair[side] for pair in data]) for side in ("chosen", "rejected"))
    assert model.margins(data) == pytest.approx((5 * (chosen - rejected)).numpy(), abs=1e-5)


def test_a_critic_starts_from_the_fitted_head_and_expects_the_mean() -> None:
    """By comparisons alone the head's bias is arbitrary: it is what makes its word 0 on average."""
    data = polite(32)
    model = fit(tiny(), data, RewardSettings(epochs=1), LIMITS, seed=0)
    encoded = pairs.encode(tiny().tokenizer, data, 24, 12)
    texts = [batch.texts for batch in encoded.all_parts(1000, pad_id=0)]
    critic = model.critic()
    ends = [value_after(critic, part.ids)[torch.arange(len(part.ids)), last_position(part.mask)] for part in texts]
    words = torch.cat([model.scorer.parts(part)[0] for part in texts])
    assert words.mean().item() == pytest.approx(0.0, abs=1e-5)
    torch.testing.assert_close(torch.cat(ends), words / model.std)


def test_a_saved_reward_model_gives_the_same_scores(tmp_path: Path) -> None:
    model = fit(tiny(), polite(16), RewardSettings(epochs=1), LIMITS, seed=0)
    model.temperature = 1.7
    model.save(tmp_path / "reward")
    loaded = RewardModel.load(tmp_path / "reward")
    assert np.array_equal(loaded.margins(polite(4)), model.margins(polite(4)))
    assert (loaded.mean, loaded.std, loaded.temperature) == (model.mean, model.std, 1.7)


def test_the_same_seed_gives_the_same_weights_and_leaves_the_base_alone() -> None:
    base = tiny()
    before = base.model.get_input_embeddings().weight.clone()
    first, second = (fit(base, polite(16), RewardSettings(epochs=1), LIMITS, seed=3) for _ in range(2))
    assert np.array_equal(first.margins(polite(8)), second.margins(polite(8)))
    assert torch.equal(base.model.get_input_embeddings().weight, before)


def test_the_likelihood_of_demonstrations_speaks_until_preferences_do() -> None:
    """Weightless pairs teach nothing: what is left is what the language model says, and other β scale it."""
    silent = [{**pair, "weight": 0.0} for pair in polite(8)]
    first, second = (
        fit(tiny(), silent, RewardSettings(epochs=1, likelihood=beta), LIMITS, seed=0) for beta in (0.1, 0.2)
    )
    assert second.margins(silent) == pytest.approx(2 * first.margins(silent), rel=1e-5)
    assert first.margins(silent).all()
    none = fit(tiny(), silent, RewardSettings(epochs=1, likelihood=0.0), LIMITS, seed=0)
    assert not none.margins(silent).any()


def test_a_long_answer_is_no_worse_for_being_long() -> None:
    """What the language model says of all tokens of the pairs' answers sums to 0."""
    silent = [row("a", "thanks a lot for your parcel", "go", weight=0.0), row("b", "thanks", "go away", weight=0.0)]
    model = fit(tiny(), silent, RewardSettings(epochs=1), LIMITS, seed=0)
    encoded = pairs.encode(tiny().tokenizer, silent, 24, 12)
    prior = torch.cat([model.scorer.parts(b.texts)[1] for b in encoded.all_parts(1000, pad_id=0)])
    assert prior.sum().item() == pytest.approx(0.0, abs=1e-4)
    assert model.scorer.surprise == pytest.approx(math.log(300), rel=0.2)  # a new model knows nothing yet


def several_answers(count: int) -> list[dict[str, Any]]:
    """Long prompts with three answers each."""
    prompts = [f"where is my parcel, the parcel {ix}, it is not here yet" for ix in range(count)]
    answers = ("thanks", "go away", "no idea at all")
    return [row(prompt, first, second) for prompt in prompts for first, second in combinations(answers, 2)]


def trained(worth: float, monkeypatch: pytest.MonkeyPatch) -> tuple[RewardModel, list[int]]:
    """A reward model without a likelihood term, and the tokens of each of its forward passes."""
    monkeypatch.setattr(reward, "WORTH_PACKING", worth)
    base, tokens = tiny(), []
    hook = base.network.model.base_model.register_forward_pre_hook(
        lambda _, __, inputs: tokens.append(inputs["input_ids"].numel()), with_kwargs=True
    )
    knobs = RewardSettings(epochs=2, batch=4, learning_rate=1e-3, likelihood=0.0)
    model = reward.fit_in_place(base, several_answers(12), knobs, LIMITS, seed=0)
    hook.remove()
    return model, tokens


@pytest.mark.parametrize("packed", [False, True])
def test_microbatches_add_up_to_the_gradient_of_the_minibatch(packed: bool) -> None:
    """Prompts with one pair and with three, of different weights: the mean of the means of the parts is another one."""
    data = [*several_answers(2), row("is it there?", "thanks a lot", "go", p=0.5, weight=3.0), row("a", "b", "c")]
    encoded = replace(pairs.encode(tiny().tokenizer, data, 24, 12), packed=packed)
    gradients, metrics = [], []
    for tokens in (10_000, 1):
        scorer = Scorer.from_policy(tiny(), 0.0, surprise=0.0)
        torch.nn.init.ones_(scorer.head.weight)
        scorer.network.compute = Compute(microbatch_tokens=tokens)
        assert len(encoded.microbatches(range(4), tokens)) == (1 if tokens > 1 else 4)
        metrics.append(reward._accumulate(scorer, encoded, range(4), 0.1))
        gradients.append([weight.grad for weight in scorer.parameters()])
    assert metrics[0] == pytest.approx(metrics[1], abs=1e-5)
    for whole, parts in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, parts, rtol=0, atol=1e-5)
        assert whole.abs().max() > 1e-3


def test_prompts_that_are_computed_once_give_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    (packed, few), (apart, many) = trained(0.85, monkeypatch), trained(0.0, monkeypatch)
    assert sum(few) < 0.75 * sum(many)
    data = several_answers(14)[30:]
    prompts, answers = [pair["prompt"] for pair in data], [pair["chosen"] for pair in data]
    torch.testing.assert_close(packed.score(prompts, answers), apart.score(prompts, answers), rtol=0, atol=1e-4)
    assert packed.margins(data) == pytest.approx(apart.margins(data), abs=1e-4)
    monkeypatch.setattr(reward, "WORTH_PACKING", 0.85)
    assert packed.margins(data) == pytest.approx(apart.margins(data), abs=1e-4)


def test_prompts_are_computed_once_only_where_it_saves_enough_and_is_right() -> None:
    encoded = pairs.encode(tiny().tokenizer, several_answers(4), 24, 12)
    assert encoded.packed_share(16) < reward.WORTH_PACKING
    assert reward._packed_if_worth(Scorer.from_policy(tiny(), 0.0, surprise=0.0), encoded).packed
    assert not reward._packed_if_worth(Scorer.from_policy(tiny(), 0.2, surprise=0.0), encoded).packed
    bloom = Scorer(families.network("bloom"), tiny().tokenizer, 0.0, 0.0)
    assert not reward._packed_if_worth(bloom, encoded).packed
    short = pairs.encode(tiny().tokenizer, [row("a", "a long answer", "another long answer")], 24, 12)
    assert not reward._packed_if_worth(Scorer.from_policy(tiny(), 0.0, surprise=0.0), short).packed


def test_a_row_longer_than_a_microbatch_is_not_packed() -> None:
    """Its mask would take the square of its length, which no knob bounds."""
    encoded = pairs.encode(tiny().tokenizer, several_answers(4), 24, 12)
    longest, packed = max(encoded.packed_lengths), {}
    for tokens in (longest - 1, longest):
        scorer = Scorer.from_policy(tiny(), 0.0, surprise=0.0)
        scorer.network.compute = Compute(microbatch_tokens=tokens)
        packed[tokens] = reward._packed_if_worth(scorer, encoded).packed
    assert packed == {longest - 1: False, longest: True}


def test_no_rows_have_no_margins() -> None:
    model = RewardModel(Scorer.from_policy(tiny(), 0.0, surprise=0.0), 24, 12)
    assert model.margins([]).shape == (0,)


def test_no_pairs_is_an_error_with_a_cure() -> None:
    with pytest.raises(BadFeedback, match="ingest feedback"):
        fit(tiny(), [], RewardSettings(), LIMITS, seed=0)


def test_a_batch_that_weighs_nothing_costs_nothing() -> None:
    scores, batch = batch_of(1.0, p=[1.0, 0.5], weight=[0.0, 0.0])
    loss, _ = reward.preference_loss(scores, batch, 0.5, total_weight=0.0)
    assert loss.item() == 0.0
