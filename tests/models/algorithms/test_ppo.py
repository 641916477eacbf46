import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.errors import BadFeedback
from core.log import Log, ignore
from models.adapters import AdapterSettings
from models.advantage import k1
from models.algorithms.ppo import PPO, ScoredRollout
from models.checkpoints import Checkpoints
from models.compute import Compute
from models.engines import VerifiedRollout
from models.engines.local import LocalEngine
from models.kl import KLSettings
from models.loading import Loader
from models.mismatch import RolloutMismatch
from models.policy import ModelSettings, Policy, build
from models.reward import RewardModel
from models.rollout import Rollout, SamplingSettings, sample
from models.scorer import Scorer
from models.seeding import generator
from models.tokens import Batch, pad

TINY = ModelSettings(
    width=16, layers=1, heads=2, feed_forward=32, vocabulary=261, max_prompt_tokens=8, max_answer_tokens=4
)
PROMPTS = [[10, 11, 4], [12, 4], [13, 14, 15, 4]]
QUICK = PPO(
    steps=5,
    episodes=8,
    minibatch=4,
    learning_rate=1e-2,
    critic_learning_rate=1e-2,
    checkpoint_every=2,
)
Heard = list[Mapping[str, float]]


def policy() -> Policy:
    return build(TINY, ["hello"])


def counts(batch: Batch) -> Tensor:
    """A reward that likes even tokens."""
    return ((batch.ids % 2 == 0) & batch.response).sum(1) / batch.response.sum(1)


class Biased(LocalEngine):
    """Its sampler computes something else than its forward pass: log-probabilities that are .01 nats too high."""

    def sample(
        self, prompts: Sequence[Sequence[int]], sampling: SamplingSettings, limit: int, generator: torch.Generator
    ) -> Rollout:
        rollout = super().sample(prompts, sampling, limit, generator)
        return rollout._replace(logprobs=rollout.logprobs + 0.01 * rollout.batch.response)


class Weighted(LocalEngine):
    """Its sampler's probabilities are those of the forward pass divided by these numbers, one for each token."""

    factors: Tensor

    def verified(self, rollout: Rollout, temperature: float, iteration: int, seed: int) -> VerifiedRollout:
        verified = super().verified(rollout, temperature, iteration, seed)
        return verified._replace(ratio=self.factors[: verified.ratio.shape[1]].expand_as(verified.ratio))


def trained(knobs: PPO = QUICK, checkpoints: Checkpoints | None = None, log: Log = ignore, seed: int = 0) -> Policy:
    engine = LocalEngine(policy(), policy(), counts)
    knobs.train(engine, PROMPTS, 4, checkpoints, log, seed)
    return engine.policy


def into(heard: Heard) -> Log:
    def log(metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        heard.append(metrics)

    return log


def same(first: Policy, second: Policy) -> bool:
    pairs = zip(first.model.parameters(), second.model.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.learning
def test_a_bandit_is_solved() -> None:
    def pays(batch: Batch) -> Tensor:
        return 4.0 * ((batch.ids == 42) & batch.response).any(1)

    knobs = PPO(
        steps=40,
        episodes=256,
        minibatch=128,
        learning_rate=1e-2,
        critic_learning_rate=1e-2,
        kl=KLSettings(coefficient=0.0),
        sampling=SamplingSettings(batch=256),
        unended_score=None,
    )
    learned = policy()
    knobs.train(LocalEngine(learned, policy(), pays), [[10, 4]], 1)
    logits = learned.model(input_ids=torch.tensor([[10, 4]])).logits[0, -1]
    assert logits.softmax(-1)[42].item() > 0.9  # the least of 11 seeds: 0.9994


@pytest.mark.learning
def test_a_dear_kl_keeps_the_policy_where_it_is() -> None:
    heard: dict[float, Heard] = {0.0: [], 10.0: []}
    for coefficient, metrics in heard.items():
        more = {"steps": 20, "episodes": 32, "minibatch": 16, "learning_rate": 3e-3}
        knobs = QUICK.model_copy(update={"kl": KLSettings(coefficient=coefficient), **more})
        trained(knobs, log=into(metrics))
    # at most 0.23 times as far in 11 seeds
    assert heard[10.0][-1]["objective/kl"] < 0.5 * heard[0.0][-1]["objective/kl"]


def test_a_fresh_policy_is_no_distance_from_its_reference() -> None:
    batch = sample(policy(), PROMPTS, QUICK.sampling, 4, generator(0)).batch
    first, second = (each.logprobs(batch) for each in (policy(), policy()))
    assert not k1(first, second).any()  # to the last bit, where both are computed alike
    heard: Heard = []
    trained(log=into(heard))
    assert heard[0]["objective/kl"] == pytest.approx(0.0, abs=1e-4)  # here against the sampler's own log-probabilities
    assert 0 <= heard[0]["rollout_mismatch_mean"] <= heard[0]["rollout_mismatch"] < 1e-4


def test_the_first_gradient_step_starts_at_ratio_one() -> None:
    heard: Heard = []
    trained(QUICK.model_copy(update={"epochs": 1, "minibatch": 8, "steps": 1}), log=into(heard))
    assert heard[0]["approx_kl"] == pytest.approx(0.0, abs=1e-8)
    assert heard[0]["clip_fraction"] == 0.0
    assert heard[0]["loss"] == pytest.approx(0.0, abs=1e-4)  # whitened advantages have mean 0


def test_the_same_seed_gives_the_same_weights() -> None:
    assert same(trained(seed=1), trained(seed=1))
    assert not same(trained(seed=1), trained(seed=2))


@pytest.mark.parametrize("killed_at", [1, 2, 3, 4])
def test_killed_and_resumed_ends_with_the_same_weights(killed_at: int, tmp_path: Path) -> None:
    knobs = QUICK.model_copy(update={"kl": KLSettings(target=0.5, horizon=20)})
    saved, heard, steps = Checkpoints(tmp_path / "ppo", "round-1"), list[Mapping[str, float]](), list[int]()

    def killer(metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        if step == killed_at:
            raise KeyboardInterrupt

    def log(metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        steps.append(step)
        heard.append(metrics)

    with pytest.raises(KeyboardInterrupt):
        trained(knobs, saved, killer)
    resumed = trained(knobs, saved, log)
    assert steps[0] == killed_at // 2 * 2  # the last checkpoint before the kill
    uninterrupted: Heard = []
    assert same(resumed, trained(knobs, log=into(uninterrupted)))
    assert heard[-1]["value/loss"] == uninterrupted[-1]["value/loss"]
    assert heard[-1]["answer/sampled"] == uninterrupted[-1]["answer/sampled"]
    assert heard[-1]["objective/kl_coefficient"] == uninterrupted[-1]["objective/kl_coefficient"] != 0.3


def test_the_checkpoint_of_another_round_is_not_continued(tmp_path: Path) -> None:
    trained(checkpoints=Checkpoints(tmp_path / "ppo", "round-1"), seed=1)
    assert same(trained(checkpoints=Checkpoints(tmp_path / "ppo", "round-2")), trained())


def test_the_reference_is_left_alone() -> None:
    learning, reference = policy(), policy()
    QUICK.train(LocalEngine(learning, reference, counts), PROMPTS, 4)
    assert same(reference, policy())
    assert not same(learning, reference)


def test_an_answer_without_an_end_scores_the_floor() -> None:
    heard: Heard = []
    knobs = QUICK.model_copy(update={"unended_score": -3.0, "steps": 2})
    knobs.train(LocalEngine(policy(), policy(), lambda batch: torch.full((8,), 5.0)), PROMPTS, 4, log=into(heard))
    for metrics in heard:
        ended = metrics["answer/ended"]
        assert metrics["objective/score"] == pytest.approx(5 * ended - 3 * (1 - ended))


@pytest.mark.learning
def test_beyond_the_limit_training_stops() -> None:
    heard: Heard = []
    trained(QUICK.model_copy(update={"kl": KLSettings(limit=1e-3, coefficient=0.0), "steps": 50}), log=into(heard))
    assert len(heard) < 50  # 2 in each of 11 seeds
    assert heard[-1]["objective/kl"] > 1e-3
    assert [metrics.get("objective/kl_stop") for metrics in heard] == [None] * (len(heard) - 1) + [1.0]


def test_the_critic_starts_as_the_reward_model() -> None:
    scorer = Scorer.from_policy(policy(), 0.5, surprise=0.0)
    model = RewardModel(copy.deepcopy(scorer), prompt_limit=8, answer_limit=4, mean=1.0, std=2.0)
    QUICK.train(LocalEngine(policy(), policy(), model), PROMPTS, 4)
    assert torch.equal(model.scorer.head.weight, scorer.head.weight)  # and learns in a copy


def test_every_metric_is_a_finite_number() -> None:
    heard: Heard = []
    trained(log=into(heard))
    for metrics in heard:
        assert torch.tensor(list(metrics.values())).isfinite().all()
    assert heard[-1]["objective/entropy"] > 0
    assert heard[-1]["value/explained_variance"] <= 1


def test_training_stops_before_it_learns_from_a_rollout_that_the_forward_pass_contradicts() -> None:
    learning, heard = policy(), Heard()
    with pytest.raises(RolloutMismatch, match="iteration 0: "):
        QUICK.train(Biased(learning, policy(), counts), PROMPTS, 4, log=into(heard))
    assert same(learning, policy())
    assert heard == []


def test_an_adapter_in_float32_learns_on_a_base_in_bfloat16(tmp_path: Path) -> None:
    policy().save(tmp_path)
    loader = Loader(lambda digest: tmp_path, Compute("bfloat16"))
    reference = loader.new_adapter("0" * 16, AdapterSettings(rank=2), "sft", seed=0)
    learning, heard = reference.copy("policy"), Heard()
    frozen = {name: weight.clone() for name, weight in learning.model.named_parameters() if "lora_" not in name}
    before = {name: tensor.clone() for name, tensor in learning.network.state_dict().items()}
    knobs = QUICK.model_copy(update={"steps": 2, "critic": "shared"})
    knobs.train(LocalEngine(learning, reference, counts), PROMPTS, 4, log=into(heard))
    assert [torch.tensor(list(metrics.values())).isfinite().all() for metrics in heard] == [True, True]
    assert heard[1]["objective/kl"] != 0
    after = learning.network.state_dict()
    assert {tensor.dtype for tensor in after.values()} == {torch.float32}
    assert not any(torch.equal(after[name], before[name]) for name in before)
    weights = dict(learning.model.named_parameters())
    assert all(weight.dtype == torch.bfloat16 and torch.equal(weights[name], weight) for name, weight in frozen.items())


def test_no_prompts_is_an_error_with_a_cure() -> None:
    with pytest.raises(BadFeedback, match="ingest feedback"):
        QUICK.train(LocalEngine(policy(), policy(), counts), [], 4)


def test_the_loss_of_a_token_is_weighted_by_its_truncated_importance() -> None:
    """Tokens that training finds 3, .5 and 1 times as probable as the sampler did; at most 2 counts."""
    batch = pad([[5]], [[6, 7, 8]], 0)
    nothing, ratio = torch.zeros(1, 4), torch.tensor([[1.0, 3.0, 0.5, 1.0]])
    rollout = Rollout(batch, nothing, ["…"], torch.tensor([True]))
    algorithm = PPO(max_importance=2.0)
    experience = algorithm._advantages(0.0, rollout, ScoredRollout(torch.tensor([1.0]), nothing, nothing), ratio)
    assert experience.weights.tolist() == [[1.0, 2.0, 0.5, 1.0]]
    loss = algorithm._policy_objective(experience, torch.tensor(3.0))(nothing, [0])
    first, second, third = experience.advantages[0, 1:].tolist()
    assert loss.value.item() == pytest.approx(-(2 * first + 0.5 * second + third) / 3)


def test_training_weights_tokens_as_its_engine_says() -> None:
    def learned(*factors: float) -> Policy:
        engine = Weighted(policy(), policy(), counts)
        engine.factors = torch.tensor(factors)
        QUICK.model_copy(update={"max_importance": 2.0}).train(engine, PROMPTS, 4)
        return engine.policy

    assert same(learned(*[2.0] * 12), learned(*[5.0] * 12))
    assert not same(learned(*[1.0, 2.0] * 6), learned(*[2.0, 1.0] * 6))
