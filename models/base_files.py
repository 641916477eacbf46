"""The files of a base model in a folder, checked before any library reads them: they come from outside.

Checked are where links and names in them lead, the headers of the weights (every tensor has its bytes, and no others),
the shards of an index, and that all numbers are finite. Each error names the file, what is wrong, and the cure.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.errors import BadModel

INDEX = "model.safetensors.index.json"
LONGEST_HEADER = 100_000_000
"""Bytes of a header: safetensors itself reads none that is longer."""
_BLOCK = 1 << 24
_SIZES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}
"""Data type of a tensor → bytes of a number."""
_EXPONENTS: dict[str, tuple[type[np.unsignedinteger[Any]], int]] = {
    "F16": (np.uint16, 0x7C00),
    "BF16": (np.uint16, 0x7F80),
    "F32": (np.uint32, 0x7F80_0000),
    "F64": (np.uint64, 0x7FF0_0000_0000_0000),
}
"""Data type → how it is read, and the bits that are all 1 in NaN and in infinity."""
_CODE = "auto_map"
_BOUNDS: tuple[tuple[re.Pattern[str], tuple[float, float]], ...] = (
    (re.compile(r"max_position_embeddings|n_positions|n_ctx|max_sequence_length|seq_length"), (1, 2**27)),
    (re.compile(r".*(eps|epsilon)"), (1e-20, 0.1)),
    (re.compile(r".*(dropout|_pdrop)"), (0, 1)),
    (re.compile(r"rope_theta|rotary_emb_base"), (1, 10**15)),
    (re.compile(r"hidden_size|intermediate_size|vocab_size|num_.*_layers|num_.*heads|head_dim"), (1, 2**31)),
)
"""Keys of a configuration → the least and the largest number, far beyond those of any model."""
_MAY_BE_INFINITE = ("time_step_limit",)
"""Keys of state-space models with an open interval."""
_SAVE = "save the model again with model.save_pretrained"


class Tensor(NamedTuple):
    """A tensor in a file of weights, by its header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    """Its first byte, from the beginning of the file."""
    end: int


def check(folder: Path) -> dict[str, Tensor]:
    """Check the files of a base model; its tensors by name.

    Raises:
        BadModel: a link or a name in a file leads out of the folder, a file of weights is damaged or missing, or a
            weight is not a finite number.
    """
    _check_links(folder)
    for name in ("config.json", "tokenizer_config.json"):
        if (folder / name).exists():
            _check_names(folder / name, _object(folder / name))
    for name in ("config.json", "generation_config.json"):
        if (folder / name).exists():
            _check_numbers(folder / name, _object(folder / name))
    if (folder / "adapter_config.json").exists():
        raise BadModel(
            f"{folder / 'adapter_config.json'} names another model, whose weights would be loaded; merge the adapter "
            "into the model with model.merge_and_unload, and save that"
        )
    tensors = {file: header(file) for file in sorted(folder.glob("*.safetensors"))}
    if (folder / INDEX).exists():
        _check_index(folder / INDEX, tensors)
    for file, own in tensors.items():
        _check_finite(file, own)
    return {name: tensor for own in tensors.values() for name, tensor in own.items()}


def header(file: Path) -> dict[str, Tensor]:
    """The tensors of a file of weights. Its weights are not read.

    Raises:
        BadModel: the header is damaged, or does not describe the bytes of the file.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > min(size - 8, LONGEST_HEADER):
            raise _damaged(file, f"a header of {length:,} bytes in a file of {size:,}")
        raw = stream.read(length)
    try:
        entries = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _damaged(file, f"a header that is not JSON: {str(error)[:200]}") from error
    if not isinstance(entries, dict):
        raise _damaged(file, "a header that is not a JSON object")
    entries.pop("__metadata__", None)
    tensors = {name: _tensor(file, name, entry, 8 + length) for name, entry in entries.items()}
    _check_complete(file, tensors, 8 + length, size)
    return tensors


def _tensor(file: Path, name: str, entry: Any, begins: int) -> Tensor:
    fields: dict[str, Any] = entry if isinstance(entry, dict) else {}
    dtype: Any = fields.get("dtype")
    shape: Any = fields.get("shape")
    offsets: Any = fields.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _SIZES:
        raise _damaged(file, f"the tensor {name[:100]} has the data type {str(dtype)[:40]!r}")
    if not _are_counts(shape) or not _are_counts(offsets) or len(offsets) != 2:
        raise _damaged(file, f"the tensor {name[:100]} has no valid shape and data_offsets")
    if offsets[1] - offsets[0] != math.prod(shape) * _SIZES[dtype]:
        raise _damaged(file, f"the tensor {name[:100]} has {offsets[1] - offsets[0]:,} bytes for the shape {shape}")
    return Tensor(dtype, tuple(shape), begins + offsets[0], begins + offsets[1])


def _are_counts(values: Any) -> bool:
    return (
        isinstance(values, list)
        and len(values) <= 16
        and all(type(value) is int and 0 <= value < 2**63 for value in values)
    )


def _check_complete(file: Path, tensors: Mapping[str, Tensor], begins: int, size: int) -> None:
    """The tensors lie one after the other, from the header to the end of the file."""
    if beyond := next((name for name, tensor in tensors.items() if tensor.end > size), None):
        raise _damaged(file, f"the tensor {beyond[:100]} ends at byte {tensors[beyond].end:,}, the file at {size:,}")
    end = begins
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if tensor.start != end:
            raise _damaged(file, f"the tensor {name[:100]} begins at byte {tensor.start:,}, expected {end:,}")
        end = tensor.end
    if end != size:
        raise _damaged(file, f"its tensors end at byte {end:,}, the file at {size:,}")


def _check_index(index: Path, tensors: Mapping[Path, Mapping[str, Tensor]]) -> None:
    names = _object(index).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(shard, str) for shard in names.values()):
        raise BadModel(f"{index} has no weight_map from tensors to files; {_SAVE}")
    for name, shard in names.items():
        file = index.with_name(shard) if shard and Path(shard).name == shard else None
        if file is None or file not in tensors:
            raise BadModel(
                f"{index} names the file {shard[:100]!r}, which is not in the folder; copy it there, or {_SAVE}"
            )
        if name not in tensors[file]:
            raise BadModel(f"{file} has no tensor {name[:100]}, which {index.name} names there; {_SAVE}")


def _check_links(folder: Path) -> None:
    """The cache of the Hugging Face hub has links from `snapshots/REVISION` to `blobs`; others stay in the folder."""
    home = folder.resolve()
    hub = home.parent.name == "snapshots" and home.parents[1].name.startswith("models--")
    allowed = [home, *([home.parents[1] / "blobs"] if hub else [])]
    for path in folder.rglob("*"):
        target = path.resolve()
        if path.is_symlink() and not any(target.is_relative_to(place) for place in allowed):
            raise BadModel(f"{path} is a link out of the folder, to {target}; copy the file itself into the folder")
        if not (path.is_file() or path.is_dir()):
            raise BadModel(f"{path} is neither a file nor a folder, or a link to nothing; remove it")


def _check_names(file: Path, values: Mapping[str, Any]) -> None:
    for key, value in _texts(values):
        names_a_file = key in ("_name_or_path", "name_or_path") or key.endswith("_file")
        if names_a_file and (value.startswith(("/", "~", "\\\\")) or ".." in Path(value).parts):
            raise BadModel(f"{file}: {key} is {value[:100]!r}, outside the folder; remove the key from the file")
        if key == _CODE and ("--" in value or "/" in value or ".." in value):
            raise BadModel(
                f"{file}: {_CODE} names code elsewhere ({value[:100]!r}), which is never run; remove the key"
            )


def _check_numbers(file: Path, values: Mapping[str, Any]) -> None:
    """What the layers compute with is finite and in range: otherwise all logits are NaN, or memory is used up."""
    for key, value in _leaves(values):
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if not math.isfinite(value) and key not in _MAY_BE_INFINITE:
            raise BadModel(f"{file}: {key} is {value}, expected a finite number; {_SAVE}")
        low, high = next((bounds for pattern, bounds in _BOUNDS if pattern.fullmatch(key)), (-math.inf, math.inf))
        if not low <= value <= high:
            raise BadModel(f"{file}: {key} is '{value!s:.40}', expected a number from {low:g} to {high:,}; {_SAVE}")


def _texts(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The texts in a configuration, each with the key of the first level, or the last one of a part of the model."""
    return ((key, value) for key, value in _leaves(values) if isinstance(value, str))


def _leaves(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The values in a configuration that are neither lists nor objects, each with the key as in `_texts`."""
    waiting: list[tuple[str, Any]] = list(values.items())
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting += ((key if key == _CODE else name, child) for name, child in value.items())
        elif isinstance(value, list):
            waiting += ((key, child) for child in value)
        else:
            yield key, value


def _object(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadModel(f"{file} is not JSON ({str(error)[:200]}); {_SAVE}") from error
    if not isinstance(value, dict):
        raise BadModel(f"{file} is not a JSON object; {_SAVE}")
    return value


def _check_finite(file: Path, tensors: Mapping[str, Tensor]) -> None:
    facts = file.stat()
    if (name := _first_infinite(file, facts.st_size, facts.st_mtime_ns, tuple(tensors.items()))) is not None:
        raise BadModel(f"{file}: the tensor {name[:100]} has NaN or infinite weights; use another copy of the model")


@lru_cache(maxsize=256)
def _first_infinite(file: Path, size: int, modified: int, tensors: tuple[tuple[str, Tensor], ...]) -> str | None:
    """The first tensor with a number that is not finite. A file that has not changed is not read again."""
    with file.open("rb") as stream:
        for name, tensor in tensors:
            if tensor.dtype in _EXPONENTS:
                stream.seek(tensor.start)
                if not _is_finite(stream.read, tensor.end - tensor.start, *_EXPONENTS[tensor.dtype]):
                    return name
    return None


def _is_finite(read: Any, size: int, kind: type[np.unsignedinteger[Any]], exponent: int) -> bool:
    while size > 0:
        block = read(min(size, _BLOCK))
        if np.any((np.frombuffer(block, kind) & kind(exponent)) == exponent):
            return False
        size -= _BLOCK
    return True


def _damaged(file: Path, what: str) -> BadModel:
    return BadModel(f"{file} is damaged: {what}; copy or download the file again, or {_SAVE}")
