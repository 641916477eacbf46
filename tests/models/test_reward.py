import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

from core.errors import BadFeedback
from models import pairs, reward
from models.advantage import last_position
from models.pairs import PairBatch
from models.policy import ModelSettings, Policy, build
from models.reward import RewardModel, RewardSettings, fit
from models.scorer import Scorer
from models.tokens import pad

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
    """Pairs in which thanks are preferred to rudeness, for any order number."""
    return [row(f"parcel {i}?", f"thanks {i % 7}", f"go away {i % 5}") for i in range(count)]


def batch_of(margin: float, p: list[float], weight: list[float]) -> tuple[torch.Tensor, PairBatch]:
    """Scores ±margin / 2 of two texts, and one comparison of them per label."""
    n = len(p)
    index = torch.arange(n), torch.zeros(n, dtype=torch.int64), torch.ones(n, dtype=torch.int64)
    texts = pad([[1], [1]], [[2], [3]], 0)
    scores = torch.tensor([margin / 2, -margin / 2])
    return scores, PairBatch(texts, *index, torch.tensor(p), torch.tensor(weight))


def test_preference_loss_by_hand() -> None:
    scores, batch = batch_of(math.log(3), p=[1.0, 0.5], weight=[3.0, 1.0])  # σ(margin) = .75
    loss, metrics = reward.preference_loss(scores, batch, centring=0.0)
    decided, tie = -math.log(0.75), -(math.log(0.75) + math.log(0.25)) / 2
    assert loss.item() == pytest.approx((3 * decided + tie) / 4)
    assert metrics["accuracy"] == 1.0  # ties do not count


def test_centring_penalises_a_common_shift() -> None:
    scores, batch = batch_of(1.0, p=[1.0], weight=[1.0])
    plain, _ = reward.preference_loss(scores + 2, batch, centring=0.0)
    regularised, _ = reward.preference_loss(scores + 2, batch, centring=0.5)
    assert (regularised - plain).item() == pytest.approx(0.5 * 4**2)


def test_each_answer_is_encoded_once() -> None:
    data = [row("a", "x", "y"), row("b", "x", "z"), row("a", "x", "w", p=0.5), row("a", "y", "w", weight=2.0)]
    encoded = pairs.encode(tiny().tokenizer, data, 24, 12)
    assert [list(group.answers) for group in encoded.comparisons] == [["x", "y", "w"], ["x", "z"]]
    [batch] = pairs.batches(encoded.comparisons, 8, pad_id=0)
    assert batch.texts.ids.shape[0] == 5
    compared = {int(i): (int(c), int(r)) for i, c, r in zip(batch.row, batch.chosen, batch.rejected, strict=True)}
    assert compared == {0: (0, 1), 2: (0, 2), 3: (1, 2), 1: (3, 4)}
    assert batch.weight[batch.row == 3].item() == 2.0


def test_truncated_prompts_are_counted() -> None:
    data = [row("parcel " * 50, "x", "y"), row("parcel " * 50, "x", "z"), row("short", "x", "y")]
    assert pairs.encode(tiny().tokenizer, data, 24, 12).truncated == 1


def test_a_separable_preference_is_learned_and_scores_are_normalised() -> None:
    data, logged = polite(96), []
    model = fit(tiny(), Dataset.from_list(data), KNOBS, LIMITS, seed=0, log=lambda m, s, n=None: logged.append((s, n)))
    assert (model.margins(polite(140)[96:]) > 0).mean() > 0.95
    assert logged == [(step, 48) for step in range(48)]
    distinct = {(r["prompt"][0]["content"], r[side]) for r in data for side in ("chosen", "rejected")}
    prompts = [[{"role": "user", "content": prompt}] for prompt, _ in distinct]
    scores = model.score(prompts, [answer for _, answer in distinct])
    assert scores.mean().item() == pytest.approx(0.0, abs=1e-4)
    assert scores.std(correction=0).item() == pytest.approx(1.0, abs=1e-4)


def test_ties_give_margins_near_zero() -> None:
    data = [{**pair, "p_chosen": 0.5} for pair in polite(64)]
    model = fit(tiny(), data, KNOBS, LIMITS, seed=0)
    assert np.abs(model.margins(data)).mean() < 0.1


def test_a_pair_of_weight_zero_has_no_effect() -> None:
    contrary = [{**pair, "chosen": pair["rejected"], "rejected": pair["chosen"], "weight": 0.0} for pair in polite(64)]
    model = fit(tiny(), polite(64) + contrary, KNOBS, LIMITS, seed=0)
    assert (model.margins(polite(64)) > 0).mean() > 0.95


def test_margins_are_in_the_order_of_the_rows_and_in_log_odds() -> None:
    model = RewardModel(Scorer.from_policy(tiny(), 0.5, surprise=0.0), 24, 12, mean=3.0, std=5.0)
    data = [row("a long question about a parcel", "thanks", "go away"), row("b", "go", "thanks"), row("a", "x", "y")]
    prompts = [pair["prompt"] for pair in data]
    chosen, rejected = (model.score(prompts, [pair[side] for pair in data]) for side in ("chosen", "rejected"))
    assert model.margins(data) == pytest.approx((5 * (chosen - rejected)).numpy(), abs=1e-5)


def test_a_critic_starts_from_the_fitted_head_with_mean_value_zero() -> None:
    """Comparisons do not determine the head's bias; fit sets it so that the mean head score is 0."""
    data = polite(32)
    model = fit(tiny(), data, RewardSettings(epochs=1), LIMITS, seed=0)
    encoded = pairs.encode(tiny().tokenizer, data, 24, 12)
    texts = [batch.texts for batch in pairs.batches(encoded.comparisons, 8, pad_id=0)]
    critic = model.critic()
    ends = [critic(part.ids)[torch.arange(len(part.ids)), last_position(part.mask)] for part in texts]
    head_scores = torch.cat([model.scorer.parts(part)[0] for part in texts])
    assert head_scores.mean().item() == pytest.approx(0.0, abs=1e-5)
    torch.testing.assert_close(torch.cat(ends), head_scores / model.std)


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
    one, other = (fit(base, polite(16), RewardSettings(epochs=1), LIMITS, seed=3) for _ in range(2))
    assert np.array_equal(one.margins(polite(8)), other.margins(polite(8)))
    assert torch.equal(base.model.get_input_embeddings().weight, before)


def test_without_preferences_the_margin_is_the_likelihood_term() -> None:
    """Pairs of weight 0 do not train the head, so margins are proportional to β."""
    weightless = [{**pair, "weight": 0.0} for pair in polite(8)]
    one, two = (
        fit(tiny(), weightless, RewardSettings(epochs=1, likelihood=beta), LIMITS, seed=0) for beta in (0.1, 0.2)
    )
    assert two.margins(weightless) == pytest.approx(2 * one.margins(weightless), rel=1e-5)
    assert one.margins(weightless).all()
    none = fit(tiny(), weightless, RewardSettings(epochs=1, likelihood=0.0), LIMITS, seed=0)
    assert not none.margins(weightless).any()


def test_the_likelihood_term_sums_to_zero_over_the_training_answers() -> None:
    """H is the mean surprisal, so the term does not penalise length."""
    weightless = [row("a", "thanks a lot for your parcel", "go", weight=0.0), row("b", "thanks", "go away", weight=0.0)]
    model = fit(tiny(), weightless, RewardSettings(epochs=1), LIMITS, seed=0)
    encoded = pairs.encode(tiny().tokenizer, weightless, 24, 12)
    prior = torch.cat([model.scorer.parts(b.texts)[1] for b in pairs.batches(encoded.comparisons, 8, pad_id=0)])
    assert prior.sum().item() == pytest.approx(0.0, abs=1e-4)
    assert model.scorer.surprise.item() == pytest.approx(math.log(300), rel=0.2)  # an untrained model is nearly uniform


def test_training_without_pairs_is_an_error() -> None:
    with pytest.raises(BadFeedback, match="ingest feedback"):
        fit(tiny(), [], RewardSettings(), LIMITS, seed=0)


def test_a_batch_of_total_weight_zero_has_loss_zero() -> None:
    scores, batch = batch_of(1.0, p=[1.0, 0.5], weight=[0.0, 0.0])
    loss, _ = reward.preference_loss(scores, batch, centring=0.5)
    assert loss.item() == 0.0
