"""A model on torch's meta device: its layers and their shapes, without the memory of its weights."""

import torch
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel


def meta_model(config: PretrainedConfig) -> PreTrainedModel:
    """The causal language model that a configuration describes. It can be looked at, not run.

    Raises:
        Exception: no model can be made of the configuration; modelling code may raise anything.
    """
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    return model
