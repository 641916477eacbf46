"""Small random models of the model families that are tested."""

from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from models.network import WholeNetwork

END_IDS = (1, 2, 3)
"""Token ids that end an answer."""

_COMMON = {"vocab_size": 320, "bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}
# large weights give a random model a peaked distribution, so that a wrong position or mask changes the result
_SHAPE = _COMMON | {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.15,
    "max_position_embeddings": 128,
}
_STATE_SPACE = _COMMON | {"hidden_size": 32, "state_size": 8, "num_hidden_layers": 2, "initializer_range": 0.15}
_YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "rope_theta": 10_000.0}
_DYNAMIC = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0}
_WINDOW = {"sliding_window": 5}
_HEADS = {"head_dim": 8}
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "decoder_sparse_step": 1}
_LINEAR = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", _SHAPE | {"tie_word_embeddings": False}),
    "llama tied": ("llama", _SHAPE | {"tie_word_embeddings": True}),
    "llama yarn": ("llama", _SHAPE | {"rope_parameters": _YARN}),
    "llama dynamic": ("llama", _SHAPE | {"rope_parameters": _DYNAMIC}),
    "mistral": ("mistral", _SHAPE | _WINDOW),
    "gemma2": ("gemma2", _SHAPE | _HEADS | _WINDOW),
    "gemma3": ("gemma3_text", _SHAPE | _HEADS | _WINDOW | {"layer_types": ["sliding_attention", "full_attention"]}),
    "qwen2": ("qwen2", _SHAPE),
    "qwen3": ("qwen3", _SHAPE | _HEADS),
    "qwen3_moe": ("qwen3_moe", _SHAPE | _HEADS | _EXPERTS),
    "phi3": ("phi3", _SHAPE),
    "gpt_neox": ("gpt_neox", _SHAPE),
    "gpt2": (
        "gpt2",
        {k: v for k, v in _COMMON.items() if k != "pad_token_id"}
        | {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128, "initializer_range": 0.15}
        | {"resid_pdrop": 0.5, "embd_pdrop": 0.5, "attn_pdrop": 0.5},
    ),
    "opt": ("opt", _SHAPE | {"ffn_dim": 64, "word_embed_proj_dim": 32, "init_std": 0.15}),
    "bloom": ("bloom", _COMMON | {"hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.15}),
    "lfm2": ("lfm2", _SHAPE | {"layer_types": ["conv", "full_attention"]}),
    "qwen3_5": ("qwen3_5_text", _SHAPE | _HEADS | _LINEAR),
    "mamba": ("mamba", _STATE_SPACE),
    "mamba2": ("mamba2", _STATE_SPACE | {"head_dim": 8, "num_heads": 8, "n_groups": 2, "expand": 2, "chunk_size": 8}),
}
"""Name → model type, and the fields of its configuration."""


def config(name: str, **more: Any) -> PreTrainedConfig:
    model_type, fields = FAMILIES[name]
    made: PreTrainedConfig = CONFIG_MAPPING[model_type](**fields | more)
    return made


def model(name: str, **more: Any) -> PreTrainedModel:
    """A random model of the family, the same each time."""
    torch.manual_seed(0)
    made: PreTrainedModel = AutoModelForCausalLM.from_config(config(name, **more)).eval()
    return made


def network(name: str, **more: Any) -> WholeNetwork:
    return WholeNetwork(model(name, **more))
