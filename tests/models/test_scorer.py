from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, GPT2Config, GPTNeoXConfig, LlamaConfig, PretrainedConfig, Qwen3Config

from core.errors import BadModel
from models import scratch
from models.critic import Critic
from models.network import WholeNetwork
from models.policy import Policy
from models.scorer import Scorer
from models.tokens import Batch, pad

VOCABULARY = 270
SHAPE = {"vocab_size": VOCABULARY, "max_position_embeddings": 64}
BLOCKS = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
ARCHITECTURES: dict[str, PretrainedConfig] = {
    "gpt2": GPT2Config(vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=2, n_positions=64, eos_token_id=1),
    "llama": LlamaConfig(**SHAPE, **BLOCKS, eos_token_id=1),
    "qwen3": Qwen3Config(**SHAPE, **BLOCKS, num_key_value_heads=1, head_dim=8, eos_token_id=1),
    "gpt_neox": GPTNeoXConfig(**SHAPE, **BLOCKS, eos_token_id=1),
}


def tiny(name: str = "llama") -> Policy:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(ARCHITECTURES[name]).eval()
    return Policy(WholeNetwork(model), scratch.train_tokenizer(["where is my parcel"], VOCABULARY))


def two_texts() -> Batch:
    """A text of seven tokens and one of four, padded on the right."""
    return pad([[5, 6, 7], [8, 9]], [[10, 11, 12, 1], [13, 1]], pad_id=0)


def value_after(critic: Critic, ids: Tensor) -> Tensor:
    """Value after reading each token of `ids` (B, T): (B, T)."""
    values: Tensor = critic.head(critic.network.hidden(ids)).squeeze(-1)
    return values


def random_head_scorer(name: str = "llama", likelihood: float = 0.5) -> Scorer:
    """A scorer with a random head."""
    scorer = Scorer.from_policy(tiny(name), likelihood, surprise=3.0)
    torch.manual_seed(1)
    torch.nn.init.normal_(scorer.head.weight)
    torch.nn.init.normal_(scorer.head.bias)
    return scorer


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_score_is_the_head_score_plus_the_likelihood_term(name: str) -> None:
    scorer, policy, batch = random_head_scorer(name), tiny(name), two_texts()
    hidden = policy.model.base_model(input_ids=batch.ids).last_hidden_state
    head_score = scorer.head(torch.stack([hidden[0, 6], hidden[1, 3]])).squeeze(1)  # at the last tokens
    prior = 0.5 * (policy.logprobs(batch).sum(dim=1) + 3.0 * torch.tensor([4, 2]))  # tokens
    torch.testing.assert_close(scorer(batch), head_score + prior)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_without_likelihood_the_score_is_the_head_score(name: str) -> None:
    head_score, prior = random_head_scorer(name).parts(two_texts())
    torch.testing.assert_close(random_head_scorer(name, likelihood=0.0)(two_texts()), head_score)
    assert prior.all()


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("likelihood", [0.0, 0.5])
def test_padding_changes_no_score(name: str, likelihood: float) -> None:
    scorer = random_head_scorer(name, likelihood)
    alone = pad([[8, 9]], [[13, 1]], pad_id=0)
    other = pad([[5, 6, 7], [8, 9]], [[10, 11, 12, 1], [13, 1]], pad_id=200)  # another token to pad with
    for batch in (two_texts(), other):
        torch.testing.assert_close(scorer(batch)[1:], scorer(alone), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_saved_scorer_is_self_contained(name: str, tmp_path: Path) -> None:
    scorer = random_head_scorer(name)
    scorer.save(tmp_path)
    loaded = Scorer.load(Policy.load(tmp_path), tmp_path)
    assert torch.equal(loaded(two_texts()), scorer(two_texts()))
    assert loaded.tokenizer("parcel")["input_ids"] == scorer.tokenizer("parcel")["input_ids"]
    assert not [file.name for file in tmp_path.iterdir() if file.suffix in {".bin", ".pt", ".pkl"}]


def test_before_training_the_score_is_the_likelihood_term() -> None:
    batch = two_texts()
    expected = 0.2 * tiny().logprobs(batch).sum(dim=1)
    torch.testing.assert_close(Scorer.from_policy(tiny(), 0.2, surprise=0.0)(batch), expected)


def test_a_scorer_shares_no_weight_with_its_policy() -> None:
    policy = tiny()
    scorer = Scorer.from_policy(policy, 0.5, surprise=0.0)
    before = scorer(two_texts())
    with torch.no_grad():
        policy.model.get_input_embeddings().weight.zero_()
    assert torch.equal(scorer(two_texts()), before)


def test_a_critic_starts_from_the_head_scores_divided_by_std() -> None:
    scorer = random_head_scorer()
    critic = scorer.critic(std=2.0)
    head_score, _ = scorer.parts(two_texts())
    final_values = value_after(critic, two_texts().ids)[[0, 1], [6, 3]]
    torch.testing.assert_close(final_values, head_score / 2)
    with torch.no_grad():
        critic.head.weight.zero_()
    assert torch.equal(scorer.parts(two_texts())[0], head_score)  # the critic trains a copy


def test_a_folder_without_a_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"head\.safetensors"):
        Scorer.load(tiny(), tmp_path)
