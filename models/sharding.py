"""Weights divided among the ranks: each keeps a part of every matrix, and collects a layer while it computes with it.

This is fully sharded data parallel training (Rajbhandari et al. 2020, ZeRO stage 3), by PyTorch's `fully_shard`: a rank
needs the memory of its part of weights, gradients and moments, and of one whole layer. All ranks have to make the same
calls in the same order, since each layer is collected from all.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict, set_model_state_dict
from torch.distributed.fsdp import (
    CPUOffloadPolicy,
    FSDPModule,
    MixedPrecisionPolicy,
    OffloadPolicy,
    fully_shard,
    register_fsdp_forward_method,
)
from transformers import AutoConfig, GenerationConfig, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from models import ranks
from models.compute import Sharding, device
from models.meta_model import meta_model

Result = TypeVar("Result")

_INSIDE = "rounds_inside"
"""The method of a divided model that collects what is outside of its layers, and calls a function."""


def is_divided(model: nn.Module) -> bool:
    """Whether each rank has only a part of the weights."""
    return isinstance(model, FSDPModule)


def is_shell(how: Sharding | None) -> bool:
    """Whether this rank loads only the shapes of models, since it gets its parts of their weights from the first."""
    return how is not None and not ranks.current().first


def shell(source: str | Path, dtype: torch.dtype) -> PreTrainedModel:
    """A model of a folder or of the Hugging Face Hub, without its weights."""
    model = meta_model(AutoConfig.from_pretrained(source, trust_remote_code=False)).to(dtype)
    with suppress(OSError):  # a folder without one has what the configuration says
        model.generation_config = GenerationConfig.from_pretrained(source)
    return model.eval()


def divide(model: PreTrainedModel, how: Sharding, dtype: torch.dtype | None) -> None:
    """Divide the weights of a model among the ranks, in place.

    Args:
        model: on the first rank, the model; on the others it need only have the same shapes, and may be on the meta
            device.
        how: see there.
        dtype: type in which a layer is collected and computes; None is that of its weights.
    """
    weights = model.state_dict() if ranks.current().first else {}
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers() if ranks.current().first}
    _empty(model, how, dtype)
    options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True, cpu_offload=how.offload)
    set_model_state_dict(model, weights, options=options)
    for name, buffer in model.named_buffers():
        buffer.data.copy_(buffers.get(name, buffer))
        distributed.broadcast(buffer.data, 0)


def copy_of(model: PreTrainedModel, how: Sharding, dtype: torch.dtype | None, trunk: bool) -> PreTrainedModel:
    """A further model with equal weights, of which each rank copies its part; `trunk` is one without output layer."""
    copied = meta_model(model.config).to(model.dtype)
    copied.generation_config = model.generation_config
    if trunk:
        copied.set_output_embeddings(nn.Identity())
    _empty(copied, how, dtype)
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    with torch.no_grad():
        for name, tensor in [*copied.named_parameters(), *copied.named_buffers()]:
            tensor.copy_(tensors[name])
    return copied.eval()


def _empty(model: PreTrainedModel, how: Sharding, dtype: torch.dtype | None) -> None:
    """Divide a model, and forget its weights and buffers."""
    model.to("meta")
    _tie(model)  # tied weights have to be one when they are divided
    policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32 if dtype else None)
    offload = CPUOffloadPolicy(pin_memory=torch.cuda.is_available()) if how.offload else OffloadPolicy()
    setattr(model, _INSIDE, lambda work, *inputs: work(*inputs))
    for unit in [*(layer for layer in model.modules() if isinstance(layer, GradientCheckpointingLayer)), model]:
        fully_shard(unit, reshard_after_forward=True, mp_policy=policy, offload_policy=offload)
        unit.set_gradient_divide_factor(1.0)  # the losses of the ranks are parts of a sum
        unit.set_force_sum_reduction_for_comms(True)  # gloo has no other one with a factor
    register_fsdp_forward_method(model, _INSIDE)
    model.to_empty(device="cpu" if how.offload else device())
    _tie(model)


def _tie(model: PreTrainedModel) -> None:
    """Make tied weights one again, which a change of the device has undone."""
    if not isinstance(model.get_output_embeddings(), nn.Identity):  # a trunk has nothing to tie
        model.tie_weights()


def inside(model: nn.Module, work: Callable[..., Result], *inputs: Tensor) -> Result:
    """Call a function that uses weights outside of the layers, and layers; the tensors it differentiates are inputs."""
    return getattr(model, _INSIDE)(work, *inputs) if is_divided(model) else work(*inputs)


@contextmanager
def whole(model: nn.Module) -> Iterator[None]:
    """Inside, each rank has all weights, so that it can compute without the others; without gradients only."""
    if not is_divided(model):
        yield
        return
    units = [module for module in model.modules() if isinstance(module, FSDPModule)]
    inside(model, lambda: None)  # a first call, in which the library prepares the units
    for unit in units:
        unit.set_reshard_after_forward(False, recurse=False)
        unit.unshard()
    try:
        yield
    finally:
        for unit in units:
            unit.reshard()
            unit.set_reshard_after_forward(True, recurse=False)


def collected(model: PreTrainedModel) -> Mapping[str, Tensor]:
    """The whole weights by name, on the CPU of the first rank; {} on other ranks. Tied ones are one tensor."""
    weights: Mapping[str, Any] = get_model_state_dict(
        model, options=StateDictOptions(full_state_dict=True, cpu_offload=True)
    )
    names: dict[int, str] = {}
    first = {name: names.setdefault(id(weight), name) for name, weight in model.state_dict(keep_vars=True).items()}
    return {name: weights[first[name]] for name in weights}
