"""Whether the decoding loop is right for a model family: checked on a small random model of the same architecture.

A wrong cache, position or padding makes no error: the policy is then trained on ratios of two distributions. So a base
is checked before a round starts, from its configuration alone.
"""

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from core.errors import BadModel
from models.decoding import DecodingLoop, DecodingRequest, SampledAnswer, seeded_uniforms
from models.meta_model import meta_model
from models.tokens import Batch, pad

LIMIT = 1e-3
"""Largest difference of a log-probability in nats. Correct families: 4e-5 at most; wrong ones: some tenths or more."""

Logprobs = Callable[[PreTrainedModel, Batch], Tensor]
"""`models.network.Network.logprobs`: the log-probabilities of the answer tokens of a batch, (B, T)."""

_PROMPTS = ([5, 6, 7, 8, 9, 10, 11], [20, 21, 22], [30, 31, 32, 33, 34])
_LIMITS = (6, 3, 5)
"""The second row leaves first; the third is admitted while the others are running."""
_LARGEST = 50_000_000
"""Most weights of the small model."""
_MOST_LAYERS = 12
_KEY_HEADS = ("num_key_value_heads", "num_kv_heads")
_PERIOD = re.compile("period|pattern|interval|freq|first_k")
"""Fields by which the type of a layer depends on its number."""
_DROPPED = ("architectures", "auto_map", "dtype", "torch_dtype", "quantization_config", "_name_or_path", "id2label")
_SHAPE: dict[str, Any] = {
    "vocab_size": 64,
    # shorter than the texts of the check
    **dict.fromkeys(("sliding_window", "attention_chunk_size"), 5),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "linear_num_value_heads"), 2),
    **dict.fromkeys(("n_group", "topk_group", "linear_num_key_heads", "pretraining_tp"), 1),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 32),
    "chunk_size": 8,
    # large weights give a random model a peaked distribution, so that a wrong position or mask changes the result
    **dict.fromkeys(("initializer_range", "init_std"), 0.1),
}
"""Fields of a configuration → their value in the small one, where the configuration has the field."""


def check(config: PreTrainedConfig, source: str, logprobs: Logprobs) -> None:
    """Check that decoding and a forward pass agree for the architecture of a base model. Takes about a second.

    The result is kept for the process, by configuration. A configuration from which no small model can be made is not
    checked here: `models.mismatch` compares the two in every iteration.

    Raises:
        BadModel: they differ, or decoding fails.
    """
    text = config.get_text_config(decoder=True)
    fields = text.to_json_string(use_diff=False)
    problem = _problem(type(text), fields, logprobs)  # type: ignore[arg-type]  # a class is hashable
    if problem:
        raise BadModel(
            f"{source}: models of the type {text.model_type} cannot be trained: {problem}. Name a base of another type "
            "as model.base; with a newer version of transformers this type may work"
        )


def mismatch(model: PreTrainedModel, logprobs: Logprobs) -> float:
    """Largest difference of log-probabilities between decoding and a forward pass, in nats per token.

    Three prompts of different lengths: one row leaves the batch before the others, and one is admitted later.
    """
    answers = _decode(model)
    batch = pad(_PROMPTS, [answer.ids for answer in answers], 0)
    with torch.no_grad():
        recomputed = logprobs(model, batch)[batch.response]
    sampled = torch.tensor([value for answer in answers for value in answer.logprobs])
    return (recomputed - sampled).abs().nan_to_num(nan=torch.inf).max().item()


def _decode(model: PreTrainedModel) -> list[SampledAnswer]:
    requests = [
        DecodingRequest(prompt, limit, seeded_uniforms(limit, index))
        for index, (prompt, limit) in enumerate(zip(_PROMPTS, _LIMITS, strict=True))
    ]
    decoder = DecodingLoop(model, [], 0)
    tickets = decoder.admit(requests[:2])
    answers = decoder.step()
    tickets += decoder.admit(requests[2:])
    while decoder.active:
        answers |= decoder.step()
    return [answers[ticket] for ticket in tickets]


@lru_cache(maxsize=32)
def _problem(kind: type[PreTrainedConfig], config: str, logprobs: Logprobs) -> str:
    """What is wrong with the architecture; empty if nothing is, or if no small model of it can be made."""
    model = small_model(kind, json.loads(config))
    if model is None:
        return ""
    try:
        difference = mismatch(model, logprobs)
    except Exception as error:  # modelling code may raise anything
        return f"decoding fails with {type(error).__name__} ({' '.join(str(error).split())[:200]})"
    if difference <= LIMIT:
        return ""
    return f"decoding and a forward pass differ by {difference:.2g} nats per token, more than {LIMIT:g}"


def small_model(kind: type[PreTrainedConfig], fields: dict[str, Any]) -> PreTrainedModel | None:
    """A random model of the architecture that runs; None if there is none of an acceptable size."""
    for narrow in (True, False):
        with contextlib.suppress(Exception):  # modelling code may raise anything
            config = small(kind, fields, narrow)
            if meta_model(config).num_parameters() <= _LARGEST:
                return _running(config)
    return None


def _running(config: PreTrainedConfig) -> PreTrainedModel:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
        model.eval()(input_ids=torch.tensor([[1, 2]]), use_cache=False)
    return model


def small(kind: type[PreTrainedConfig], fields: Mapping[str, Any], narrow: bool = True) -> PreTrainedConfig:
    """A configuration of the same architecture with few layers, each type among them, and a small vocabulary.

    With `narrow`, the hidden size is small too, with two heads. The size of a head is kept: scaling factors of rotary
    embeddings are lists of that size.
    """
    shape = _SHAPE | (_width(kind, fields) if narrow else {})
    own = {kind.attribute_map.get(name, name): value for name, value in shape.items()}
    changed = {name: value for name, value in own.items() if fields.get(name) is not None}
    tokens = {name: int(name != "pad_token_id") for name in fields if name.endswith("_token_id")}
    kept = {name: value for name, value in fields.items() if name not in _DROPPED}
    return kind.from_dict({**kept, **changed, **_layers(kind, fields), **tokens})


def _width(kind: type[PreTrainedConfig], fields: Mapping[str, Any]) -> dict[str, int]:
    heads = fields.get(kind.attribute_map.get("num_attention_heads", "num_attention_heads"))
    if not isinstance(heads, int) or not heads:  # state-space models: the inner size is a multiple of the hidden size
        hidden = fields.get("head_dim") or 64
        inner = hidden * fields.get("expand", 2)
        state_space = {"time_step_rank": 4, "num_heads": fields.get("expand", 2), "n_groups": 1}
        return {"hidden_size": hidden, "intermediate_size": inner, **state_space}
    size = fields.get("head_dim") or fields[kind.attribute_map.get("hidden_size", "hidden_size")] // heads
    grouped = any(fields.get(name) not in (None, heads) for name in _KEY_HEADS)
    return {
        **dict.fromkeys(("hidden_size", "word_embed_proj_dim"), 2 * size),
        **dict.fromkeys(_KEY_HEADS, 1 if grouped else 2),
        **dict.fromkeys(("intermediate_size", "ffn_dim", "ffn_hidden_size", "n_inner"), 64),
        "num_attention_heads": 2,
    }


def _layers(kind: type[PreTrainedConfig], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The first layer of each type, at least two layers; lists with an item per layer are shortened with them."""
    name = kind.attribute_map.get("num_hidden_layers", "num_hidden_layers")
    count = fields.get(name, 0)
    lists = {key: value for key, value in fields.items() if isinstance(value, list) and count and len(value) == count}
    types = [value for value in lists.values() if all(isinstance(item, str) for item in value)]
    if types:
        chosen = {value.index(item) for value in types for item in value}
    else:
        periods = [value for key, value in fields.items() if _PERIOD.search(key) and type(value) is int]
        chosen = set(range(min(count, max([1, *periods]) + 1, _MOST_LAYERS)))
    chosen |= set(range(min(count, 2)))
    return {name: len(chosen), **{key: [value[index] for index in sorted(chosen)] for key, value in lists.items()}}
