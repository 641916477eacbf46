"""Training checkpoints: the training state as safetensors and JSON, written atomically, without pickle.

A state is a tree of dictionaries, lists, tuples and plain values with tensors as leaves, as `state_dict()` returns it.
The tensors go to `tensors.safetensors`; the tree goes to `state.json`, with a reference in place of each tensor.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from core.errors import Damaged
from core.files import read_json, recover, replacing, write_json
from models import ranks, streamed

TENSORS = "tensors.safetensors"
STATE = "state.json"

State = dict[str, Any]

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
        """Replace the saved state with this one, atomically. Of several ranks, which have equal states, one writes.

        Raises:
            TypeError: the state has a leaf that is neither a tensor nor a plain value.
        """
        ranks.once(lambda: self._save(state))

    def _save(self, state: State) -> None:
        tensors: dict[str, Tensor] = {}
        tree = _detach(state, "", tensors)
        with replacing(self.folder) as draft:
            draft.mkdir()
            streamed.write(tensors, draft / TENSORS)
            write_json(draft / STATE, {"key": self.key, "state": tree})

    def load(self) -> State | None:
        """The state saved under this key, with tensors on the CPU; None if there is none or it is incomplete."""
        ranks.once(lambda: recover(self.folder))
        ranks.wait()
        if not (self.folder / STATE).exists():
            return None
        try:
            record = read_json(self.folder / STATE)
            if record["key"] != self.key:
                return None
            state: State = _attach(record["state"], load_file(self.folder / TENSORS))
        except (Damaged, SafetensorError, FileNotFoundError, KeyError) as error:
            _logger.warning(
                "checkpoint %s is incomplete or damaged; training starts from the beginning (%s)", self.folder, error
            )
            return None
        return state


def _detach(node: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """The tree without its tensors, which are added to `tensors` under their paths.

    Dictionaries and tuples are tagged, because JSON has neither integer keys (as in an optimiser state) nor tuples.
    """
    match node:
        case Tensor():
            tensors[path] = node
            return {"tensor": path}
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
