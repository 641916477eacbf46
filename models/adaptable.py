"""Which linear layers can have an adapter: with some, the adapter would change nothing, or change other layers."""

from peft import LoraConfig
from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers
from transformers import PreTrainedModel

_FUSED = frozenset({"falcon_h1", "falcon_mamba", "mamba", "mamba2", "nemotron_h"})
"""Types of models whose kernels read the weights of `out_proj`; peft refuses an adapter of it with a plain error."""


def problem(model: PreTrainedModel, name: str) -> str | None:
    """Why the linear layers with this last part of their name can have no adapter; None if they can.

    Args:
        model: the base, or its copy on the meta device.
        name: for example `q_proj`.
    """
    if name == "dt_proj" or (name == "out_proj" and model.config.model_type in _FUSED):
        return "the model reads the weights of this layer without calling it, so that an adapter would change nothing"
    if _moved(model, name):
        return "peft would change the experts of the model in its place"
    return None


def _moved(model: PreTrainedModel, name: str) -> bool:
    """Whether peft takes the name for that of the experts, as they were called in older versions of transformers.

    It does so for whole families of mixtures of experts, where layers beside the experts have the same name.
    """
    config = LoraConfig(target_modules=[name])
    try:
        convert_peft_config_for_transformers(config, model, None)
    except ValueError:  # the name is one of two that are fused
        return True
    return name not in (config.target_modules or ())
