from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPTNeoXConfig, LlamaConfig, PretrainedConfig, Qwen3Config

from core.errors import BadModel
from models import scratch
from models.policy import Policy
from models.scorer import Scorer
from models.seeding import generator
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
    return Policy(model, scratch.train_tokenizer(["where is my parcel"], VOCABULARY))


def two_texts() -> Batch:
    """A text of seven tokens and one of four, its padding at the right."""
    return pad([[5, 6, 7], [8, 9]], [[10, 11, 12, 1], [13, 1]], pad_id=0)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_score_stands_at_the_last_real_token(name: str) -> None:
    scorer = Scorer.from_policy(tiny(name), generator(1))
    positions = scorer.scores(two_texts())
    assert positions.shape == (2, 7)
    assert scorer.at_end(two_texts()).tolist() == [positions[0, 6].item(), positions[1, 3].item()]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_padding_changes_no_score_and_no_value(name: str) -> None:
    scorer = Scorer.from_policy(tiny(name), generator(1))
    alone = pad([[8, 9]], [[13, 1]], pad_id=0)
    other = pad([[5, 6, 7], [8, 9]], [[10, 11, 12, 1], [13, 1]], pad_id=200)  # another token to pad with
    for batch in (two_texts(), other):
        torch.testing.assert_close(scorer.at_end(batch)[1:], scorer.at_end(alone), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(scorer.values(batch)[1:, :4], scorer.values(alone), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_saved_scorer_stands_alone(name: str, tmp_path: Path) -> None:
    scorer = Scorer.from_policy(tiny(name), generator(1))
    scorer.save(tmp_path)
    loaded = Scorer.load(tmp_path)
    assert torch.equal(loaded.scores(two_texts()), scorer.scores(two_texts()))
    assert loaded.tokenizer("parcel")["input_ids"] == scorer.tokenizer("parcel")["input_ids"]
    assert not [file.name for file in tmp_path.iterdir() if file.suffix in {".bin", ".pt", ".pkl"}]


def test_values_look_at_what_came_before_the_token() -> None:
    scorer = Scorer.from_policy(tiny(), generator(1))
    values, scores = scorer.values(two_texts()), scorer.scores(two_texts())
    assert values[1].tolist() == [0.0, 0.0, scores[1, 1].item(), scores[1, 2].item(), 0.0, 0.0, 0.0]


def test_a_new_critic_expects_nothing() -> None:
    assert not Scorer.from_policy(tiny()).scores(two_texts()).any()


def test_a_scorer_shares_no_weight_with_its_policy() -> None:
    policy = tiny()
    scorer = Scorer.from_policy(policy, generator(1))
    before = scorer.at_end(two_texts())
    with torch.no_grad():
        policy.model.get_input_embeddings().weight.zero_()
    assert torch.equal(scorer.at_end(two_texts()), before)


def test_normalisation_can_be_folded_into_the_head() -> None:
    scorer = Scorer.from_policy(tiny(), generator(1))
    folded = scorer.normalised(mean=0.5, std=2.0)
    torch.testing.assert_close(folded.scores(two_texts()), (scorer.scores(two_texts()) - 0.5) / 2)
    assert torch.equal(scorer.copy().scores(two_texts()), scorer.scores(two_texts()))


def test_a_folder_without_a_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"head\.safetensors"):
        Scorer.load(tmp_path)
