"""An adapter and its base as one model: W + (alpha / rank) B A, in float32."""

from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from core.errors import BadModel
from models import adapters
from models.compute import Computed, torch_type
from models.network import WholeNetwork
from models.policy import Policy, load_model


def merged(base: Path, folder: Path) -> Policy:
    """A whole model that computes what a saved adapter computes on its base, with the adapter's chat template.

    Both are read from their files, so no model in memory is changed.

    Args:
        base: folder of the base that the adapter names.
        folder: the saved adapter.

    Raises:
        BadModel: the files of one of the two are damaged, or an adapted layer is not in the base.
    """
    model, of_base = load_model(base, torch.float32)
    _add(model, folder)
    return Policy(WholeNetwork(model), adapters.tokenizer(of_base, folder))


@torch.no_grad()
def _add(model: PreTrainedModel, folder: Path) -> None:
    facts, tensors = adapters.read(folder), adapters.read_tensors(folder)
    layers = dict(model.named_modules())
    for name in sorted({key.rsplit(".", 1)[0] for key in tensors}):
        layer, parts = layers.get(name), [tensors.get(f"{name}.{part}") for part in ("lora_B", "lora_A")]
        if not isinstance(layer, nn.Linear | Conv1D) or parts[0] is None or parts[1] is None:
            raise BadModel(f"{folder} changes {name}, which is no layer of its base; copy the version again")
        weight: torch.Tensor = layer.weight
        change = facts.alpha / facts.rank * (parts[0].float() @ parts[1].float()).to(weight.device)
        weight += change.T if isinstance(layer, Conv1D) else change


def save_whole(folder: Path, base: Path | None, into: Path, dtype: Computed = "float32") -> None:
    """Write a saved model, merged into its base if it is an adapter, to a new folder as transformers reads it.

    Args:
        folder: the saved model.
        base: folder of its base; None for a whole model.
        into: where to write.
        dtype: type of the weights. Merging is in float32 always.

    Raises:
        BadModel: see `merged`; or loaded again, the model computes something else.
    """
    policy = merged(base, folder) if base else Policy.load(folder)
    policy.save(into)
    if dtype != "float32":  # loaded again: casting the model in memory would also cast buffers that stay float32
        model, tokenizer = load_model(into, torch_type(dtype))
        Policy(WholeNetwork(model), tokenizer).save(into)
