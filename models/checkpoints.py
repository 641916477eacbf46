"""Where training can be killed and goes on: state as safetensors and JSON, whole or not at all, never pickle.

A state is a tree of dictionaries, lists and plain values with tensors as leaves, as `state_dict()` returns it. The
tensors go to `tensors.safetensors`, the tree to `state.json`, with a note where each tensor belongs.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.errors import Damaged
from core.files import read_json, recover, replacing, write_json

TENSORS = "tensors.safetensors"
STATE = "state.json"

State = dict[str, Any]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoints:
    """The latest state of one training run.

    `key` says which run it is (round key and step). A state under another key belongs to an earlier round: it is not
    loaded, and the next save replaces it.
    """

    folder: Path
    key: str

    def save(self, state: State) -> None:
        """Keep this state in place of the last one."""
        tensors: dict[str, Tensor] = {}
        tree = _detach(state, "", tensors)
        with replacing(self.folder) as draft:
            draft.mkdir()
            save_file(tensors, draft / TENSORS)
            write_json(draft / STATE, {"key": self.key, "state": tree})

    def load(self) -> State | None:
        """The last state that was kept under this key, on the CPU; None where there is none, or none that is whole."""
        recover(self.folder)
        if not (self.folder / STATE).exists():
            return None
        try:
            record = read_json(self.folder / STATE)
            if record["key"] != self.key:
                return None
            state: State = _attach(record["state"], load_file(self.folder / TENSORS))
        except (Damaged, SafetensorError, FileNotFoundError, KeyError) as error:
            _logger.warning("%s is not whole; training starts from its beginning (%s)", self.folder, error)
            return None
        return state


def _detach(node: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """The tree without its tensors, which are collected under their paths.

    Keys may be integers, as in the state of an optimiser, and tuples must come back as tuples: JSON has neither.
    """
    match node:
        case Tensor():
            tensors[path] = node.detach().to("cpu", copy=True).contiguous()  # a copy: tied weights share memory
            return {"tensor": path}
        case dict():
            return {"dict": [[key, _detach(value, f"{path}/{key}", tensors)] for key, value in node.items()]}
        case list() | tuple():
            return {type(node).__name__: [_detach(value, f"{path}/{i}", tensors) for i, value in enumerate(node)]}
        case None | bool() | int() | float() | str():
            return node
    raise TypeError(f"a checkpoint holds tensors and plain values; {path or 'the state'} is a {type(node).__name__}")


def _attach(node: Any, tensors: dict[str, Tensor]) -> Any:
    """The tree with its tensors back in place."""
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
