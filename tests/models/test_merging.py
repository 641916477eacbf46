"""An adapter and its base as one model."""

import copy
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, PreTrainedTokenizerFast

from core.errors import BadModel
from models.merging import merged, save_whole
from models.policy import Policy
from models.shared_base import SharedBase
from tests.models.adapted import moved
from tests.models.test_adapters import batch, shared


def test_a_merged_adapter_computes_what_it_computes_on_its_base(tiny: Policy, saved: Path, tmp_path: Path) -> None:
    network = moved(shared(tiny), "policy", 1)
    folder = tmp_path / "adapter"
    folder.mkdir()
    network.save(folder, tiny.tokenizer)
    whole = merged(saved, folder)
    torch.testing.assert_close(whole.logprobs(batch()), network.logprobs(batch()), atol=1e-5, rtol=0)
    assert (whole.logprobs(batch()) - tiny.logprobs(batch())).abs().max() > 1e-3
    assert whole.tokenizer.chat_template == tiny.tokenizer.chat_template


def test_layers_that_store_their_weights_transposed_are_merged_too(
    plain: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    ends = {"eos_token_id": plain.eos_token_id, "pad_token_id": plain.pad_token_id, "bos_token_id": None}
    model = AutoModelForCausalLM.from_config(
        GPT2Config(vocab_size=len(plain), n_embd=16, n_layer=1, n_head=2, n_positions=32, **ends)
    )
    model.save_pretrained(tmp_path / "base")
    plain.save_pretrained(tmp_path / "base")
    network = moved(SharedBase(copy.deepcopy(model), plain, "0123456789abcdef"), "policy", 1)
    (tmp_path / "adapter").mkdir()
    network.save(tmp_path / "adapter", plain)
    whole = merged(tmp_path / "base", tmp_path / "adapter")
    torch.testing.assert_close(whole.logprobs(batch()), network.logprobs(batch()), atol=1e-5, rtol=0)


def test_an_adapter_of_layers_that_the_base_lacks_is_refused(tiny: Policy, saved: Path, tmp_path: Path) -> None:
    base = shared(tiny)
    base.model.model.layers.append(copy.deepcopy(base.model.model.layers[0]))
    moved(base, "policy", 1).save(tmp_path, tiny.tokenizer)
    with pytest.raises(BadModel, match=r"layers\.2\."):
        merged(saved, tmp_path)


def test_a_whole_model_is_written_in_the_wanted_type(tiny: Policy, saved: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    moved(shared(tiny), "policy", 1).save(tmp_path / "adapter", tiny.tokenizer)
    save_whole(tmp_path / "adapter", saved, tmp_path / "whole", "bfloat16")
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "whole").dtype == torch.bfloat16
