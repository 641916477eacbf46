"""Write a file of safetensors one tensor at a time, so that no second copy of a large state is in memory.

`safetensors.torch.save_file` wants all tensors on the CPU at once. The format: 8 bytes with the length of a JSON
header, the header, and the bytes of the tensors in its order (github.com/huggingface/safetensors, "Format").
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def write(tensors: Mapping[str, Tensor], file: Path) -> None:
    """Write tensors of any device under their names. Tensors that share memory are written once each.

    Raises:
        TypeError: a tensor has a type that no training state has.
    """
    header: dict[str, object] = {}
    end = 0
    for name, tensor in tensors.items():
        if tensor.dtype not in _NAMES:
            raise TypeError(f"{name} has the type {tensor.dtype}, which a checkpoint cannot hold")
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            flat = tensor.detach().reshape(-1).cpu().contiguous()
            stream.write(flat.view(torch.uint8).numpy().data)
