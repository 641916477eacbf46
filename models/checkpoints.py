"""Training checkpoints: the training state as safetensors and JSON, written atomically, without pickle.

A state is a tree of dictionaries, lists, tuples and plain values with tensors as leaves, as `state_dict()` returns it.
The tensors are written by `torch.distributed.checkpoint`: each rank writes what it alone has, and a part of what all
have, so that another number of ranks can read them. The tree goes to `state.json`, with a reference in place of each
tensor.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.tensor import DTensor

from core.errors import Damaged
from core.files import read_json, recover, write_json
from models import ranks

STATE = "state.json"
FILE = 256 * 2**20
"""Bytes of tensors in a file, unless one tensor has more: a copy of a file is in memory while it is written."""

State = dict[str, Any]

_TYPES = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoints:
    """The latest checkpoint of one training run, in `folder`.

    `key` identifies the run (round key and step). A state with another key belongs to an earlier round: it is not
    loaded, and the next save replaces it.
    """

    folder: Path
    key: str

    def save(self, state: State) -> None:
        """Replace the saved state with this one, atomically. All ranks call it, with equal states but for divided ones.

        Raises:
            TypeError: the state has a leaf that is neither a tensor nor a plain value.
        """
        found: dict[int, _Named] = {}
        tree = _detach(state, "", found)
        tensors = dict(found.values())
        ranks.write(self.folder, lambda draft: self._save(tree, tensors, draft), together=True)

    def _save(self, tree: Any, tensors: Mapping[str, Tensor], draft: Path) -> None:
        shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
        if tensors:
            contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
            writer = HuggingFaceStorageWriter(str(draft), dict(_files(tensors)), save_distributed=True)
            with _without_warning():
                save(contiguous, storage_writer=writer, no_dist=ranks.current().count == 1)
        draft.mkdir(exist_ok=True)
        ranks.once(lambda: write_json(draft / STATE, {"key": self.key, "state": tree, "shapes": shapes}))

    def load(self, like: State | None = None) -> State | None:
        """The state saved under this key; None if there is none or it is incomplete.

        Args:
            like: a state that is partly of the same form. Where it has a divided tensor, the loaded one is divided in
                the same way; every other one is on the CPU.
        """
        ranks.once(lambda: recover(self.folder))
        ranks.wait()
        if not (self.folder / STATE).exists():
            return None
        try:
            record = read_json(self.folder / STATE)
            if record["key"] != self.key:
                return None
            state: State = _attach(record["state"], self._tensors(record, _paths(like or {}, "")))
        except (Damaged, SafetensorError, FileNotFoundError, KeyError, CheckpointException) as error:
            _logger.warning(
                "checkpoint %s is incomplete or damaged; training starts from the beginning (%s)", self.folder, error
            )
            return None
        return state

    def _tensors(self, record: Mapping[str, Any], layout: Mapping[str, Tensor]) -> dict[str, Tensor]:
        reader = HuggingFaceStorageReader(str(self.folder))
        stored = reader.read_metadata().state_dict_metadata
        tensors = {}
        for name, shape in record["shapes"].items():
            found = stored[name]
            if not isinstance(found, TensorStorageMetadata) or list(found.size) != shape:
                raise Damaged(f"the tensor {name} of {self.folder} is incomplete; restore it from a backup")
            own, dtype = layout.get(name), found.properties.dtype
            tensors[name] = torch.empty_like(own) if isinstance(own, DTensor) else torch.empty(shape, dtype=dtype)
        if tensors:
            with _without_warning():
                load(tensors, storage_reader=reader, no_dist=ranks.current().count == 1)
        return tensors


@contextmanager
def _without_warning() -> Iterator[None]:
    """A single process is meant."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")
        yield


def _files(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, int]]:
    """The number of the file of each tensor, from 1."""
    number = size = 1
    for name, tensor in tensors.items():
        if tensor.dtype not in _TYPES:
            raise TypeError(f"{name} has the type {tensor.dtype}, which a checkpoint cannot hold")
        size += tensor.nbytes
        if size > FILE and size > tensor.nbytes:
            number, size = number + 1, tensor.nbytes
        yield name, number


class _Named(NamedTuple):
    path: str
    tensor: Tensor


def _paths(node: Any, path: str) -> dict[str, Tensor]:
    """The tensors in a tree of dictionaries, by their paths."""
    if isinstance(node, Tensor):
        return {path: node}
    return {name: tensor for key, value in node.items() for name, tensor in _paths(value, f"{path}/{key}").items()}


def _detach(node: Any, path: str, tensors: dict[int, _Named]) -> Any:
    """The tree without its tensors, which are added to `tensors` with their paths, by identity: tied weights once.

    Dictionaries and tuples are tagged, because JSON has neither integer keys (as in an optimiser state) nor tuples.
    """
    match node:
        case Tensor():
            known, _ = tensors.setdefault(id(node), _Named(path, node))
            return {"tensor": known}
        case dict():
            return {"dict": [[key, _detach(value, f"{path}/{key}", tensors)] for key, value in node.items()]}
        case list() | tuple():
            return {type(node).__name__: [_detach(value, f"{path}/{i}", tensors) for i, value in enumerate(node)]}
        case None | bool() | int() | float() | str():
            return node
    raise TypeError(
        f"{path or 'the state'} is a {type(node).__name__}; a checkpoint can hold only tensors and plain values"
    )


def _attach(node: Any, tensors: dict[str, Tensor]) -> Any:
    """The tree with its tensors put back."""
    match node:
        case {"tensor": path}:
            return tensors[path]
        case {"dict": items}:
            return {key: _attach(value, tensors) for key, value in items}
        case {"list": values}:
            return [_attach(value, tensors) for value in values]
        case {"tuple": values}:
            return tuple(_attach(value, tensors) for value in values)
    return node
