from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models import streamed


def test_safetensors_reads_what_was_written(tmp_path: Path) -> None:
    weight = torch.arange(6.0).reshape(2, 3)
    tensors = {
        "weight": weight,
        "tied": weight,
        "turned": weight.T,
        "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        "step": torch.tensor(7.0),
        "state": torch.arange(5, dtype=torch.uint8),
        "count": torch.tensor([2**40]),
        "empty": torch.zeros(0, 3),
    }
    streamed.write(tensors, tmp_path / "state.safetensors")
    loaded = load_file(tmp_path / "state.safetensors")
    assert {name: (tensor.dtype, tensor.tolist()) for name, tensor in loaded.items()} == {
        name: (tensor.dtype, tensor.tolist()) for name, tensor in tensors.items()
    }


def test_an_unknown_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="complex64"):
        streamed.write({"wave": torch.zeros(1, dtype=torch.complex64)}, tmp_path / "state.safetensors")
