"""Adapters in peft's format."""

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from models.network import WholeNetwork
from models.peft_files import write
from models.policy import Policy
from tests.models.adapted import moved
from tests.models.test_adapters import batch, shared


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")  # peft reads it
def test_peft_loads_what_is_written_and_computes_the_same(tiny: Policy, saved: Path, tmp_path: Path) -> None:
    network = moved(shared(tiny), "policy", 1)
    for name in ("own", "first", "second"):
        (tmp_path / name).mkdir()
    network.save(tmp_path / "own", tiny.tokenizer)
    for name in ("first", "second"):
        write(tmp_path / "own", saved, "mine", tmp_path / name)
    assert all(file.read_bytes() == (tmp_path / "second" / file.name).read_bytes() for file in _files(tmp_path))
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(saved), str(tmp_path / "first"))
    model = loaded.merge_and_unload()
    torch.testing.assert_close(WholeNetwork(model).logprobs(batch()), network.logprobs(batch()), atol=1e-5, rtol=0)
    config = json.loads((tmp_path / "first/adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["fan_in_fan_out"]) == (2, 16.0, False)
    assert config["base_model_name_or_path"] == "mine"
    assert config["target_modules"] == sorted(config["target_modules"])


def _files(folder: Path) -> list[Path]:
    return sorted((folder / "first").iterdir())
