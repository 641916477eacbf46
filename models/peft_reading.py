"""Reading a LoRA that the library peft saved, as an adapter of ours.

Only what our adapters can compute is accepted: W + (alpha / rank) B A in every layer of the same name. Settings of peft
that change the computation in another way (DoRA, rsLoRA, trained biases, whole layers, ranks per layer) are refused by
name. No code of the folder runs, and no pickle is loaded.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedTokenizerBase
from transformers.pytorch_utils import Conv1D

from core.errors import BadModel, Damaged
from core.files import read_json
from models import adapters
from models import tokenizer as tokenizers
from models.adapters import AdapterFacts
from models.meta_model import meta_model
from models.peft_files import CONFIG, PREFIX, WEIGHTS

WITHOUT_EFFECT = {
    "auto_mapping",
    "base_model_name_or_path",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "revision",
    "target_modules",
    "task_type",
}
"""Settings that may have any value: they do not change what a saved LoRA computes, or are read from the tensors. Any
other setting must be off, also one that a later version of peft adds."""

STARTS = (True, False, "gaussian", "orthogonal", "eva")
"""Values of `init_lora_weights` that leave the base as it is; others (PiSSA, OLoRA, LoftQ) change it while training."""

_SAVE = "save the LoRA again with `save_pretrained`"

_CURE = "merge it into its base with `merge_and_unload` of peft, save that model with its tokenizer, and import that"


class PeftLora(NamedTuple):
    """A LoRA in peft's format."""

    facts: AdapterFacts
    dropout: float
    """With which it was trained; it does not change what the LoRA computes."""
    named: str
    """What peft calls the base: a model id or a folder; empty if it does not say."""
    tensors: Mapping[str, Tensor]
    """In float32, by our names; see `SharedBase.tensors`."""


def is_peft(folder: Path) -> bool:
    """Whether a folder holds an adapter in peft's format."""
    return (folder / CONFIG).is_file()


def read(folder: Path, base: Path, digest: str) -> PeftLora:
    """Read a LoRA and check that it fits a base: layers, shapes, vocabulary.

    Args:
        folder: with `adapter_config.json` and `adapter_model.safetensors`.
        base: folder of the base.
        digest: of the base.

    Raises:
        BadModel: a file is missing or damaged, a setting is on that our adapters do not have, or the tensors do not fit
            the base.
    """
    config = _config(folder)
    tensors = _tensors(folder)
    layers = _layers(base)
    targets = tuple(sorted({_layer(name).rsplit(".", 1)[-1] for name in tensors}))
    _check_layers(folder, tensors, layers, targets)
    _check_shapes(folder, tensors, layers, config["r"])
    _check_vocabulary(folder, base)
    facts = AdapterFacts(config["r"], float(config["lora_alpha"]), targets, digest)
    named = config.get("base_model_name_or_path") or ""
    return PeftLora(facts, float(config.get("lora_dropout") or 0), str(named), tensors)


def template(folder: Path, base: Path) -> str | None:
    """The chat template of a LoRA: its own, else that of its base.

    Raises:
        BadModel: a tokenizer cannot be loaded.
    """
    if (folder / adapters.TEMPLATE).is_file():
        return (folder / adapters.TEMPLATE).read_text(encoding="utf-8")
    own = _tokenizer(folder)
    return _text((own and own.chat_template) or _loaded(base).chat_template)


def _config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        config = read_json(path)
    except (OSError, Damaged) as error:
        raise BadModel(f"{path} cannot be read: {error}; {_SAVE}") from error
    if not isinstance(config, dict) or not isinstance(config.get("r"), int) or not _is_number(config.get("lora_alpha")):
        raise BadModel(f"{path} has no `r` and `lora_alpha` of a LoRA; {_SAVE}")
    if config.get("peft_type") != "LORA":
        raise BadModel(f"{path}: peft_type is {config.get('peft_type')!r}; only LORA can be imported; {_CURE}")
    if config.get("init_lora_weights", True) not in STARTS:
        start = config["init_lora_weights"]
        raise BadModel(
            f"{path}: init_lora_weights is {start!r}, which changed the base while training; "
            "save it again with `save_pretrained(…, path_initial_model_for_weight_conversion=…)` of peft"
        )
    on = sorted(name for name in set(config) - WITHOUT_EFFECT if config[name] not in (None, False, "none", {}, []))
    if on:
        raise BadModel(f"{path}: {on[0]} is {config[on[0]]!r}, which adapters here do not have; {_CURE}")
    return config


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors by our names, in float32."""
    path = folder / WEIGHTS
    try:
        loaded = load_file(path)
    except (SafetensorError, OSError) as error:
        raise BadModel(
            f"{path} is missing or damaged ({error}), and pickles are never loaded; save the LoRA again with "
            "`save_pretrained(…, safe_serialization=True)`"
        ) from error
    tensors = {}
    for name, tensor in loaded.items():
        own = name.removeprefix(PREFIX).removesuffix(".weight")
        if not (name.startswith(PREFIX) and own.endswith((".lora_A", ".lora_B")) and tensor.dim() == 2):
            raise BadModel(f"{path} has the tensor {name}, which is none of a LoRA of linear layers; {_CURE}")
        if not torch.isfinite(tensor).all():
            raise BadModel(f"{path}: the tensor {name} has NaN or infinite weights; {_SAVE}")
        tensors[own] = tensor.float().contiguous()
    if not tensors:
        raise BadModel(f"{path} has no tensors; {_SAVE}")
    return tensors


def _layer(name: str) -> str:
    return name.rsplit(".", 1)[0]


def _layers(base: Path) -> dict[str, tuple[int, int]]:
    """Path of each linear layer of the base but the output layer → (outputs, inputs)."""
    model = meta_model(AutoConfig.from_pretrained(base, trust_remote_code=False))
    output = model.get_output_embeddings()
    linear = {
        path: layer
        for path, layer in model.named_modules()
        if isinstance(layer, nn.Linear | Conv1D) and layer is not output
    }
    return {path: _outputs_and_inputs(layer) for path, layer in linear.items()}


def _outputs_and_inputs(layer: nn.Linear | Conv1D) -> tuple[int, int]:
    rows, columns = layer.weight.shape
    return (columns, rows) if isinstance(layer, Conv1D) else (rows, columns)


def _check_layers(
    folder: Path, tensors: Mapping[str, Tensor], layers: Mapping[str, tuple[int, int]], targets: tuple[str, ...]
) -> None:
    changed = {_layer(name) for name in tensors}
    if unknown := sorted(changed - set(layers)):
        raise BadModel(
            f"{folder} changes {unknown[0]}, which is no linear layer below the output layer of model.base; set "
            f"model.base to the model that the LoRA was trained on, or {_CURE}"
        )
    expected = {path for path in layers if path.rsplit(".", 1)[-1] in targets}
    if lost := sorted(expected - changed):
        raise BadModel(
            f"{folder} changes some layers named {lost[0].rsplit('.', 1)[-1]} but not {lost[0]}, and adapters here "
            f"change all of a name; {_CURE}"
        )


def _check_shapes(
    folder: Path, tensors: Mapping[str, Tensor], layers: Mapping[str, tuple[int, int]], rank: int
) -> None:
    for path in sorted({_layer(name) for name in tensors}):
        outputs, inputs = layers[path]
        for part, shape in (("lora_A", (rank, inputs)), ("lora_B", (outputs, rank))):
            tensor = tensors.get(f"{path}.{part}")
            if tensor is None or tuple(tensor.shape) != shape:
                actual = "missing" if tensor is None else f"of shape {list(tensor.shape)}"
                raise BadModel(
                    f"{folder}: {path}.{part} is {actual}, and model.base needs {list(shape)}; set model.base to the "
                    "model that the LoRA was trained on"
                )


def _check_vocabulary(folder: Path, base: Path) -> None:
    own = _tokenizer(folder)
    if own is not None and own.get_vocab() != _loaded(base).get_vocab():
        raise BadModel(
            f"{folder} has a tokenizer with another vocabulary than model.base; set model.base to the model that the "
            f"LoRA was trained on, or {_CURE}"
        )


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase | None:
    """The tokenizer beside a LoRA; None if there is none, or only its chat template."""
    return _loaded(folder) if (folder / "tokenizer_config.json").is_file() else None


def _loaded(folder: Path) -> PreTrainedTokenizerBase:
    try:
        return tokenizers.load(folder)
    except Exception as error:  # the libraries check no types: tokenizer.json may raise anything
        raise BadModel(f"the tokenizer in {folder} cannot be loaded: {error}; {_SAVE}") from error


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
