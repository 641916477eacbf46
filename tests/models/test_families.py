from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from core.errors import BadModel
from models import families
from models.network import WholeNetwork
from models.policy import ModelSettings, check_base
from models.tokens import Batch
from tests.models import families as shapes

REAL: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 8},
    "phi3": {},
    "gemma3_text": {},
    "qwen3_moe": {},
    "qwen3_5_text": {},
    "lfm2": {},
    "mamba": {},
    "mamba2": {},
    "bloom": {},
    "falcon": {},
    "jamba": {},
}
"""Model types with the shapes of their configuration's defaults, which are those of published models."""


class WrongConfig(LlamaConfig):  # type: ignore[misc]
    model_type = "wrong_llama"


class WrongLlama(LlamaForCausalLM):  # type: ignore[misc]
    """Loses the position of a token that is appended to a cache."""

    config_class = WrongConfig

    def forward(self, input_ids: Any = None, position_ids: Any = None, attention_mask: Any = None, **more: Any) -> Any:
        if more.get("past_key_values") is not None and input_ids.shape[1] == 1:
            position_ids = torch.zeros_like(position_ids)
        return super().forward(input_ids, attention_mask, position_ids, **more)


class FailingConfig(LlamaConfig):  # type: ignore[misc]
    model_type = "failing_llama"


class FailingLlama(LlamaForCausalLM):  # type: ignore[misc]
    config_class = FailingConfig

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("past_key_values") is not None:
            raise NotImplementedError("no cache")
        return super().forward(*args, **kwargs)


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    for config, model in ((WrongConfig, WrongLlama), (FailingConfig, FailingLlama)):
        AutoConfig.register(config.model_type, config, exist_ok=True)
        AutoModelForCausalLM.register(config, model, exist_ok=True)


@pytest.mark.parametrize("name", shapes.FAMILIES)
def test_every_supported_family_is_accepted(name: str) -> None:
    config = shapes.config(name)
    families.check(config, "base", logprobs)
    small = families.small_model(type(config), config.to_dict())
    assert small is not None  # it was really compared
    assert families.mismatch(small, logprobs) < 1e-5


@pytest.mark.parametrize("model_type", REAL)
def test_a_published_shape_is_checked_on_a_small_model(model_type: str) -> None:
    config = CONFIG_MAPPING[model_type](**REAL[model_type])
    small = families.small_model(type(config), config.to_dict())
    assert small is not None
    assert small.num_parameters() < 10_000_000
    assert families.mismatch(small, logprobs) < 1e-4


def logprobs(model: Any, batch: Batch) -> Tensor:
    return WholeNetwork(model).logprobs(batch)


def test_each_type_of_layer_is_in_the_small_model() -> None:
    for model_type in ("gemma3_text", "qwen3_5_text"):
        config = CONFIG_MAPPING[model_type]()
        small = families.small(type(config), config.to_dict())
        assert set(small.layer_types) == set(config.layer_types)
        assert small.num_hidden_layers == len(small.layer_types) == 3


def test_a_family_with_a_wrong_cache_is_refused_by_name() -> None:
    with pytest.raises(BadModel) as raised:
        families.check(WrongConfig(num_hidden_layers=3), "some/base", logprobs)
    message = str(raised.value)
    assert all(fact in message for fact in ("some/base", "wrong_llama", "nats", "0.001", "model.base"))


def test_it_is_refused_before_a_round_starts(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    shape = {"vocab_size": 300, "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    WrongLlama(WrongConfig(**shape, num_hidden_layers=2)).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    with pytest.raises(BadModel, match="wrong_llama"):
        check_base(ModelSettings(base=str(tmp_path / "base")), tmp_path / "no-champion")


def test_a_family_that_cannot_decode_is_refused_by_name() -> None:
    with pytest.raises(BadModel, match=r"failing_llama.*NotImplementedError"):
        families.check(FailingConfig(num_hidden_layers=3), "some/base", logprobs)


def test_the_check_is_made_once_per_configuration() -> None:
    families._problem.cache_clear()
    for layers in (2, 2, 3):
        families.check(LlamaConfig(num_hidden_layers=layers), "base", logprobs)
    assert families._problem.cache_info().misses == 2


def test_the_check_leaves_the_global_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    families._problem.cache_clear()
    families.check(LlamaConfig(), "base", logprobs)
    assert torch.equal(torch.rand(1), expected)
