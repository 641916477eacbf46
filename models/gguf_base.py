"""A GGUF file as a base model: its quantised weights are expanded and saved in the format of transformers.

transformers loads a GGUF file, but refuses to save what it loaded: the configuration still says "quantised". So the
model is made again from the same configuration without that, and gets the expanded weights.
"""

import copy
from pathlib import Path
from typing import Literal

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils import logging

from core.errors import BadModel
from models import tokenizer as tokenizers

GGUF = ".gguf"
"""How the name of a GGUF file ends."""

SavedDtype = Literal["bfloat16", "float16", "float32"]
_SAVED: dict[SavedDtype, torch.dtype] = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float32": torch.float32,
}


def convert(file: Path, into: Path, dtype: SavedDtype = "bfloat16") -> None:
    """Save the model and the tokenizer of a GGUF file to a new folder. The same file gives the same bytes.

    Args:
        file: the GGUF file.
        into: the folder, which is created.
        dtype: data type of the saved weights. A quantised file loses nothing that matters in bfloat16.

    Raises:
        BadModel: the file is damaged, or transformers cannot read its architecture.
    """
    if not file.is_file():
        raise BadModel(f"{file} is not a file; name a GGUF file, or a folder saved with model.save_pretrained")
    logging.disable_progress_bar()
    try:
        whole = _whole(_load(file)).to(_SAVED[dtype])
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, trust_remote_code=False)
    except Exception as error:  # the libraries check no types: a damaged file may raise anything
        raise BadModel(
            f"{file} cannot be read as a causal language model ({str(error)[:300]}); download the file again, or use a "
            "folder in the format of transformers"
        ) from error
    whole.save_pretrained(into)
    tokenizers.without_origin(tokenizer).save_pretrained(into)


def _load(file: Path) -> PreTrainedModel:
    """The model with its weights expanded to float32."""
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32, trust_remote_code=False
    )
    return model


def _whole(quantised: PreTrainedModel) -> PreTrainedModel:
    """The same model without a trace of quantisation, which can be saved."""
    config = copy.deepcopy(quantised.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model: PreTrainedModel = type(quantised)(config)
    model.load_state_dict(quantised.state_dict())
    model.generation_config = quantised.generation_config
    return model.eval()
