import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from core.errors import BadModel, BadParams
from models.adapters import AdapterSettings
from models.compute import Compute
from models.network import WholeNetwork
from models.policy import ModelSettings, Policy, build, check_base
from models.seeding import generator, seed_everything, set_threads
from models.tokens import pad

PHRASES = [f"{verb} the {item}" for verb in ("send", "return", "cancel") for item in ("lamp", "table", "order")]


class Bigram(LlamaForCausalLM):  # type: ignore[misc]
    """A bigram model of two tokens: p(1 | 0) = 3/4 and p(1 | 1) = 1/4."""

    def __init__(self) -> None:
        blocks = {"hidden_size": 2, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 2}
        super().__init__(LlamaConfig(vocab_size=2, pad_token_id=None, **blocks))
        with torch.no_grad():
            for weight in self.parameters():
                weight.zero_()
            self.model.embed_tokens.weight.copy_(torch.eye(2))
            self.model.norm.weight.fill_(0.5**0.5)  # the norm of (1, 0) scales it by the root of 2
            self.lm_head.weight.copy_(torch.tensor([[0.25, 0.75], [0.75, 0.25]]).log())


def bigram() -> WholeNetwork:
    return WholeNetwork(Bigram())


def test_logprobs_are_at_the_positions_of_the_predicted_tokens() -> None:
    logprobs = bigram().logprobs(pad([[0], [0, 1]], [[1, 1, 0], [0]], pad_id=0))
    expected = torch.tensor([[1, 0.75, 0.25, 0.75], [1, 1, 0.75, 1]])  # probabilities; 1 outside the answers
    torch.testing.assert_close(logprobs.exp(), expected)


def test_temperature_divides_the_logits() -> None:
    logprobs = bigram().logprobs(pad([[0]], [[1]], 0), temperature=2.0)
    # sqrt(3/4) / (sqrt(3/4) + sqrt(1/4)) = 0.8660 / 1.3660
    assert logprobs[0, 1].item() == pytest.approx(math.log(0.8660254 / 1.3660254))


def test_a_rows_logprobs_do_not_depend_on_its_batch(tiny: Policy) -> None:
    prompts, answers = [[3, 9, 4], [3, 7, 7, 7, 7, 4]], [[9, 1], [8, 8, 8, 1]]
    together = tiny.logprobs(pad(prompts, answers, 1))
    alone = tiny.logprobs(pad(prompts[:1], answers[:1], 1))
    torch.testing.assert_close(together[:1, :5], alone, atol=1e-5, rtol=0)
    assert not together[0, 5:].any()


def test_gradients_flow_through_the_logprobs(tiny: Policy) -> None:
    torch.autograd.backward(tiny.logprobs(pad([[3, 9, 4]], [[9, 1]], 0)).sum())
    assert all(weight.grad is not None and weight.grad.any() for weight in tiny.model.parameters())


def test_the_default_model_is_small() -> None:
    assert 200_000 < build(ModelSettings(), PHRASES).model.num_parameters() < 350_000


def test_a_model_from_scratch_is_a_function_of_texts_and_seed() -> None:
    shape = ModelSettings(width=16, heads=2, vocabulary=270)
    rng_state = torch.get_rng_state()
    first, again, other = (build(shape, PHRASES, seed).model.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["lm_head.weight"], other["lm_head.weight"])
    assert torch.equal(rng_state, torch.get_rng_state())


def test_a_saved_policy_loads_with_transformers(tiny: Policy, saved: Path) -> None:
    assert not [file for file in saved.iterdir() if file.suffix in {".bin", ".pt", ".pkl"}]
    batch = pad([[3, 9, 4]], [[9, 1]], 0)
    expected = tiny.logprobs(batch)
    model = AutoModelForCausalLM.from_pretrained(saved).eval()
    for loaded in (model, Policy.load(saved).model.cpu()):
        assert torch.equal(WholeNetwork(loaded).logprobs(batch), expected)
    tokenizer = AutoTokenizer.from_pretrained(saved)
    assert tokenizer.get_vocab() == tiny.tokenizer.get_vocab()
    assert tokenizer.chat_template == tiny.tokenizer.chat_template


def test_a_missing_pad_token_becomes_eos(saved: Path, tiny: Policy) -> None:
    tiny.tokenizer.pad_token = None
    tiny.tokenizer.save_pretrained(saved)
    assert Policy.load(saved).tokenizer.pad_token == "<|end|>"


def test_end_ids_include_those_of_the_generation_config(tiny: Policy) -> None:
    assert tiny.end_ids == [1]
    tiny.model.generation_config.eos_token_id = [2, 1, 10_000]  # the tokenizer has no id 10,000
    assert tiny.end_ids == [1, 2]


def test_weights_that_are_trained_are_in_float32_whatever_they_compute_in(saved: Path) -> None:
    policy, batch = Policy.load(saved, Compute("bfloat16")), pad([[3, 9, 4]], [[9, 1]], 0)
    assert policy.model.dtype == torch.float32
    difference = policy.logprobs(batch) - Policy.load(saved).logprobs(batch)
    assert 0 < difference.abs().max().item() < 0.1


def test_a_folder_without_tokenizer_is_refused(saved: Path) -> None:
    (saved / "tokenizer.json").unlink()
    with pytest.raises(BadModel, match=r"has no tokenizer"):
        Policy.load(saved)


def test_pickled_weights_are_refused(saved: Path, tmp_path: Path) -> None:
    (saved / "model.safetensors").rename(saved / "pytorch_model.bin")
    with pytest.raises(BadModel, match="safetensors"):
        check_base(ModelSettings(base=str(saved)), tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="nowhere is not a folder"):
        check_base(ModelSettings(base=str(tmp_path / "nowhere")), tmp_path)


def test_an_unknown_architecture_is_refused(saved: Path) -> None:
    (saved / "config.json").write_text('{"model_type": "unheard_of"}')
    with pytest.raises(BadModel, match="unheard_of"):
        Policy.load(saved)


def test_incomplete_weights_are_refused(saved: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(saved)
    state = {name: weight for name, weight in model.state_dict().items() if "layers.1" not in name}
    model.save_pretrained(saved, state_dict=state)
    with pytest.raises(BadModel, match=r"lacks weights \(model.layers.1"):
        Policy.load(saved)


def test_a_tokenizer_without_eos_is_refused(saved: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.eos_token = None
    tokenizer.save_pretrained(saved)
    with pytest.raises(BadModel, match="no EOS token"):
        Policy.load(saved)
    with pytest.raises(BadModel, match="no EOS token"):
        check_base(ModelSettings(base=str(saved)), saved / "champion")


def test_a_width_that_the_heads_do_not_divide_is_refused_at_opening(tmp_path: Path) -> None:
    with pytest.raises(BadParams, match="set it to a multiple of 8"):
        check_base(ModelSettings(width=33, heads=4), tmp_path)


def test_a_tokenizer_larger_than_the_embedding_is_refused(saved: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.add_tokens([f"<{i}>" for i in range(50)])
    tokenizer.save_pretrained(saved)
    with pytest.raises(BadModel, match=r"has 350 tokens, but the model has only 300 embeddings"):
        Policy.load(saved)


def test_a_width_that_the_heads_cannot_share_is_refused() -> None:
    with pytest.raises(BadParams, match=r"model\.width=20 .* multiple of 8"):
        build(ModelSettings(width=20, heads=4), PHRASES)


def test_more_text_than_positions_is_refused(saved: Path) -> None:
    settings = ModelSettings(base=str(saved), max_prompt_tokens=100, max_answer_tokens=100)
    with pytest.raises(BadParams, match=r"= 200, but .* has 176 positions"):
        build(settings, [])
    with pytest.raises(BadParams, match=r"= 200, but .* has 176 positions"):
        check_base(settings, saved.parent / "nobody")
    check_base(ModelSettings(base=str(saved), max_prompt_tokens=100, max_answer_tokens=76), saved.parent / "nobody")


def test_one_seed_determines_all_random_draws() -> None:
    def draws(key: str, step: str) -> tuple[float, float, float, float]:
        seed = seed_everything(key, step)
        drawn = torch.rand(1, generator=generator(seed)).item()
        return random.random(), np.random.rand(), torch.rand(1).item(), drawn

    assert draws("a", "sft") == draws("a", "sft")
    assert not set(draws("a", "sft")) & set(draws("a", "reward"))
    assert not set(draws("a", "sft")) & set(draws("b", "sft"))


def test_seeding_leaves_the_threads_alone() -> None:
    before = torch.get_num_threads()
    try:
        set_threads(3)
        seed_everything("a", "sft")
        assert torch.get_num_threads() == 3
    finally:
        set_threads(before)


def test_adapters_need_a_pretrained_base_and_layers_that_it_has(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(BadParams, match=r"model\.base is scratch"):
        check_base(ModelSettings(adapter=AdapterSettings()), tmp_path / "none")
    unknown = AdapterSettings(targets=("query",))
    model = ModelSettings(base=str(saved), adapter=unknown, max_prompt_tokens=8, max_answer_tokens=1)
    with pytest.raises(BadParams, match=r"'query'.*q_proj"):
        check_base(model, tmp_path / "none")
