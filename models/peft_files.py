"""Saved adapters in the format of the library peft: `adapter_config.json` and `adapter_model.safetensors`."""

from pathlib import Path
from typing import Any

from peft import LoraConfig
from safetensors.torch import save_file
from torch import nn
from transformers import AutoConfig
from transformers.pytorch_utils import Conv1D

from core.files import write_json
from models import adapters
from models.meta_model import meta_model

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."
"""What peft puts in front of the names of layers."""


def write(folder: Path, base: Path, named: str, into: Path) -> None:
    """Write a saved adapter as peft reads it. The same adapter gives the same bytes.

    Args:
        folder: the saved adapter.
        base: folder of its base, for the types of its layers.
        named: what the configuration calls the base; `PeftModel.from_pretrained` does not read it.
        into: an existing folder.

    Raises:
        BadModel: the files of the adapter are damaged.
    """
    facts = adapters.read(folder)
    config = LoraConfig(
        r=facts.rank,
        lora_alpha=facts.alpha,  # type: ignore[arg-type]  # declared as a whole number, used as any
        target_modules=list(facts.targets),
        lora_dropout=0.0,
        fan_in_fan_out=_transposed(base, set(facts.targets)),
        task_type="CAUSAL_LM",
        base_model_name_or_path=named,
        inference_mode=True,
    )
    write_json(into / CONFIG, dict(sorted((name, _plain(value)) for name, value in _values(config).items())))
    tensors = {f"{PREFIX}{name}.weight": tensor for name, tensor in adapters.read_tensors(folder).items()}
    save_file(tensors, into / WEIGHTS, metadata={"format": "pt"})


def _transposed(base: Path, targets: set[str]) -> bool:
    """Whether the adapted layers store their weights transposed, as those of GPT-2 do."""
    model = meta_model(AutoConfig.from_pretrained(base, trust_remote_code=False))
    layers: list[nn.Module] = [layer for path, layer in model.named_modules() if path.rsplit(".", 1)[-1] in targets]
    return any(isinstance(layer, Conv1D) for layer in layers)


def _values(config: LoraConfig) -> dict[str, Any]:
    values: dict[str, Any] = config.to_dict()  # type: ignore[no-untyped-call]  # peft's
    return values


def _plain(value: Any) -> Any:
    """A value of peft's configuration as JSON: sets are sorted."""
    return sorted(value) if isinstance(value, set) else value
