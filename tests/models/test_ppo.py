import copy
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.errors import BadFeedback
from core.log import Log, ignore
from models.advantage import k1
from models.algorithms.ppo import PPO
from models.checkpoints import Checkpoints
from models.kl import KLSettings
from models.policy import ModelSettings, Policy, build, response_logprobs
from models.reward import RewardModel
from models.rollout import SamplingSettings, sample
from models.scorer import Scorer
from models.seeding import generator
from models.tokens import Batch

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
Logged = list[Mapping[str, float]]


def policy() -> Policy:
    return build(TINY, ["hello"])


def even_token_share(batch: Batch) -> Tensor:
    """Reward: the share of even token ids in the answer, (B,)."""
    return ((batch.ids % 2 == 0) & batch.response).sum(1) / batch.response.sum(1)


def trained(knobs: PPO = QUICK, checkpoints: Checkpoints | None = None, log: Log = ignore, seed: int = 0) -> Policy:
    return knobs.train(policy(), policy(), even_token_share, PROMPTS, 4, checkpoints, log, seed)


def append_to(logged: Logged) -> Log:
    def log(metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        logged.append(metrics)

    return log


def same_weights(one: Policy, other: Policy) -> bool:
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_bandit_problem_is_solved() -> None:
    def token_42_reward(batch: Batch) -> Tensor:
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
    optimised = knobs.train(policy(), policy(), token_42_reward, [[10, 4]], 1)
    logits = optimised.model(input_ids=torch.tensor([[10, 4]])).logits[0, -1]
    assert logits.softmax(-1)[42].item() > 0.9


def test_a_large_kl_coefficient_keeps_the_policy_near_the_reference() -> None:
    logged: dict[float, Logged] = {0.0: [], 10.0: []}
    for coefficient, metrics in logged.items():
        more = {"steps": 20, "episodes": 32, "minibatch": 16, "learning_rate": 3e-3}
        knobs = QUICK.model_copy(update={"kl": KLSettings(coefficient=coefficient), **more})
        trained(knobs, log=append_to(metrics))
    assert logged[10.0][-1]["objective/kl"] < 0.5 * logged[0.0][-1]["objective/kl"]


def test_the_kl_of_an_untrained_policy_to_its_reference_is_zero() -> None:
    batch = sample(policy(), PROMPTS, QUICK.sampling, 4, generator(0)).batch
    one, other = (response_logprobs(fresh.model, batch) for fresh in (policy(), policy()))
    assert not k1(one, other).any()  # exactly, since both are computed by the same forward pass
    logged: Logged = []
    trained(log=append_to(logged))
    # in training, the policy's log-probabilities come from the sampler
    assert logged[0]["objective/kl"] == pytest.approx(0.0, abs=1e-4)
    assert logged[0]["rollout_mismatch"] < 1e-4


def test_the_first_gradient_step_starts_at_ratio_one() -> None:
    logged: Logged = []
    trained(QUICK.model_copy(update={"epochs": 1, "minibatch": 8, "steps": 1}), log=append_to(logged))
    assert logged[0]["approx_kl"] == pytest.approx(0.0, abs=1e-8)
    assert logged[0]["clip_fraction"] == 0.0
    assert logged[0]["loss"] == pytest.approx(0.0, abs=1e-4)  # whitened advantages have mean 0


def test_the_same_seed_gives_the_same_weights() -> None:
    assert same_weights(trained(seed=1), trained(seed=1))
    assert not same_weights(trained(seed=1), trained(seed=2))


@pytest.mark.parametrize("killed_at", [1, 2, 3, 4])
def test_killed_and_resumed_ends_with_the_same_weights(killed_at: int, tmp_path: Path) -> None:
    knobs = QUICK.model_copy(update={"kl": KLSettings(target=0.5, horizon=20)})
    checkpoints, logged, steps = Checkpoints(tmp_path / "ppo", "round-1"), list[Mapping[str, float]](), list[int]()

    def killer(metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        if step == killed_at:
            raise KeyboardInterrupt

    def log(metrics: Mapping[str, float], step: int, total: int | None = None) -> None:
        steps.append(step)
        logged.append(metrics)

    with pytest.raises(KeyboardInterrupt):
        trained(knobs, checkpoints, killer)
    resumed = trained(knobs, checkpoints, log)
    assert steps[0] == killed_at // 2 * 2  # the last checkpoint before the kill
    uninterrupted: Logged = []
    assert same_weights(resumed, trained(knobs, log=append_to(uninterrupted)))
    assert logged[-1]["value/loss"] == uninterrupted[-1]["value/loss"]
    assert logged[-1]["answer/sampled"] == uninterrupted[-1]["answer/sampled"]
    assert logged[-1]["objective/kl_coefficient"] == uninterrupted[-1]["objective/kl_coefficient"] != 0.3


def test_the_checkpoint_of_another_round_is_not_continued(tmp_path: Path) -> None:
    trained(checkpoints=Checkpoints(tmp_path / "ppo", "round-1"), seed=1)
    assert same_weights(trained(checkpoints=Checkpoints(tmp_path / "ppo", "round-2")), trained())


def test_the_reference_is_not_changed() -> None:
    learner, reference = policy(), policy()
    returned = QUICK.train(learner, reference, even_token_share, PROMPTS, 4)
    assert returned is learner
    assert same_weights(reference, policy())
    assert not same_weights(learner, reference)


def test_an_answer_without_eos_gets_the_unended_score() -> None:
    logged: Logged = []
    knobs = QUICK.model_copy(update={"unended_score": -3.0, "steps": 2})
    knobs.train(policy(), policy(), lambda batch: torch.full((8,), 5.0), PROMPTS, 4, log=append_to(logged))
    for metrics in logged:
        ended = metrics["answer/ended"]
        assert metrics["objective/score"] == pytest.approx(5 * ended - 3 * (1 - ended))


def test_training_stops_when_the_kl_exceeds_the_limit() -> None:
    logged: Logged = []
    trained(
        QUICK.model_copy(update={"kl": KLSettings(limit=1e-3, coefficient=0.0), "steps": 50}), log=append_to(logged)
    )
    assert len(logged) < 50
    assert logged[-1]["objective/kl"] > 1e-3
    assert [metrics.get("objective/kl_stop") for metrics in logged] == [None] * (len(logged) - 1) + [1.0]


def test_training_the_critic_does_not_change_the_reward_model() -> None:
    scorer = Scorer.from_policy(policy(), 0.5, surprise=0.0)
    model = RewardModel(copy.deepcopy(scorer), prompt_limit=8, answer_limit=4, mean=1.0, std=2.0)
    QUICK.train(policy(), policy(), model, PROMPTS, 4)
    assert torch.equal(model.scorer.head.weight, scorer.head.weight)  # the critic trains a copy


def test_every_metric_is_a_finite_number() -> None:
    logged: Logged = []
    trained(log=append_to(logged))
    for metrics in logged:
        assert torch.tensor(list(metrics.values())).isfinite().all()
    assert logged[-1]["objective/entropy"] > 0
    assert logged[-1]["value/explained_variance"] <= 1


def test_training_without_prompts_is_an_error() -> None:
    with pytest.raises(BadFeedback, match="ingest feedback"):
        QUICK.train(policy(), policy(), even_token_share, [], 4)
