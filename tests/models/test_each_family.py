"""Each model family is loaded, fine-tuned, made a reward model, saved, reloaded, and trained by PPO.

All weights are trained, or, for one family of each kind, adapters.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerFast

from models import reward, sft
from models.adapters import AdapterSettings
from models.algorithms.ppo import PPO
from models.engines.local import LocalEngine
from models.loading import Loader
from models.merging import merged
from models.policy import ModelSettings, Policy
from models.reward import RewardModel, RewardSettings
from models.rollout import SamplingSettings, sample
from models.seeding import generator
from models.sft import SFTSettings
from models.tokens import encode_prompts
from tests.models import families

LIMITS = ModelSettings(max_prompt_tokens=40, max_answer_tokens=10)
SAMPLING = SamplingSettings(batch=4)
QUESTIONS = ["hi", "where is my parcel", "can I return the lamp", "thank you so much for all of it", "yes"]
QUICK = PPO(steps=1, episodes=5, minibatch=4, epochs=1, learning_rate=1e-4, critic_learning_rate=1e-4)


def prompt(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


DEMONSTRATIONS = Dataset.from_list(
    [{"prompt": prompt(text), "completion": "yes you can", "weight": 1.0} for text in QUESTIONS]
)
PAIRS = Dataset.from_list(
    [
        {"prompt": prompt(text), "chosen": "yes you can", "rejected": "no, it is on its way"}
        | {"p_chosen": 1.0, "weight": 1.0, "strength": 1.0}
        for text in QUESTIONS
    ]
)


def loaded(folder: Path, name: str, tokenizer: PreTrainedTokenizerFast) -> Policy:
    """A random model of the family, saved and loaded; a fifth of its tokens end an answer."""
    families.model(name).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    policy = Policy.load(folder)
    policy.model.generation_config.eos_token_id = list(range(1, 300, 5))
    return policy


def token_ids(policy: Policy) -> list[list[int]]:
    return [encoded.ids for encoded in encode_prompts(policy.tokenizer, map(prompt, QUESTIONS), 40)]


def mismatch(policy: Policy) -> float:
    """Largest difference in log-probability between a rollout and a forward pass, in nats."""
    rollout = sample(policy, token_ids(policy), SAMPLING, 10, generator(0))
    assert len(set(rollout.batch.response.sum(dim=1).tolist())) > 1  # some rows ended before others
    with torch.no_grad():
        return (policy.logprobs(rollout.batch) - rollout.logprobs).abs().max().item()


@pytest.mark.parametrize("name", families.FAMILIES)
def test_a_family_goes_through_all_steps(name: str, tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    policy = loaded(tmp_path / "base", name, tokenizer)
    assert mismatch(policy) < 1e-5
    before = [weight.clone() for weight in policy.model.parameters()]
    sft.fit(policy, DEMONSTRATIONS, SFTSettings(epochs=1, batch=3, learning_rate=1e-3), LIMITS, seed=0)
    assert any(not torch.equal(*pair) for pair in zip(before, policy.model.parameters(), strict=True))
    assert mismatch(policy) < 1e-5

    knobs = RewardSettings(epochs=1, batch=3, learning_rate=1e-3)
    model = reward.fit(policy, PAIRS, knobs, LIMITS, seed=0)
    (tmp_path / "reward").mkdir()
    model.save(tmp_path / "reward")
    again = RewardModel.load(tmp_path / "reward")
    assert model.margins(PAIRS).tolist() == again.margins(PAIRS).tolist()
    assert model.margins(PAIRS).std() > 0

    policy.save(tmp_path / "policy")
    reference = Policy.load(tmp_path / "policy")
    heard: list[dict[str, Any]] = []
    engine = LocalEngine(policy, reference, again)
    QUICK.train(engine, token_ids(policy), 10, log=lambda metrics, *_: heard.append(dict(metrics)))
    assert heard[0]["rollout_mismatch"] < 1e-5
    assert heard[0]["objective/kl"] == pytest.approx(0.0, abs=1e-4)
    assert heard[0]["grad_norm"] > 0
    assert mismatch(policy) < 1e-5


ADAPTED = ("llama tied", "gemma3", "qwen3_moe", "gpt2", "opt", "lfm2", "qwen3_5", "mamba", "mamba2")
"""With window and soft caps, experts, transposed weights, biases, and recurrent layers of each kind."""
DIGEST = "0123456789abcdef"


@pytest.mark.parametrize("name", ADAPTED)
def test_a_family_goes_through_all_steps_with_adapters(
    name: str, tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    folder = tmp_path / "base"
    loaded(folder, name, tokenizer)
    loader = Loader(lambda digest: folder)
    policy = loader.new_adapter(DIGEST, AdapterSettings(rank=2), "policy", seed=0)
    policy.model.generation_config.eos_token_id = list(range(1, 300, 5))
    before = {key: weight.clone() for key, weight in policy.model.named_parameters() if "lora_" not in key}
    sft.fit(policy, DEMONSTRATIONS, SFTSettings(epochs=2, batch=3, learning_rate=1e-2), LIMITS, seed=0)
    assert all(tensor.any() for tensor in policy.network.state_dict().values())  # each is 0 before, or has learned
    assert all(torch.equal(weight, policy.model.get_parameter(key)) for key, weight in before.items())
    assert mismatch(policy) < 1e-5

    knobs = RewardSettings(epochs=1, batch=3, learning_rate=1e-3)
    model = reward.fit(policy, PAIRS, knobs, LIMITS, seed=0)
    (tmp_path / "reward").mkdir()
    model.save(tmp_path / "reward")
    again = loader.reward_model(tmp_path / "reward")
    assert model.margins(PAIRS) == pytest.approx(again.margins(PAIRS), abs=1e-5)
    assert model.margins(PAIRS).std() > 0

    policy.save(tmp_path / "policy")
    reference = loader.policy(tmp_path / "policy")
    rollout = sample(policy, token_ids(policy), SAMPLING, 10, generator(0))
    with torch.no_grad():
        whole = merged(folder, tmp_path / "policy").logprobs(rollout.batch)
    torch.testing.assert_close(whole, rollout.logprobs, atol=1e-5, rtol=0)
    heard: list[dict[str, Any]] = []
    QUICK.train(LocalEngine(policy, reference, again), token_ids(policy), 10, log=lambda m, *_: heard.append(dict(m)))
    assert heard[0]["rollout_mismatch"] < 1e-5
    assert heard[0]["objective/kl"] == pytest.approx(0.0, abs=1e-4)
    assert heard[0]["grad_norm"] > 0
    assert mismatch(policy) < 1e-5
