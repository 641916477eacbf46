"""A CUDA graph without a GPU: the operations of a step are recorded, and run again on the same tensors.

As with a CUDA graph, no Python of the step runs in a replay; what it read from outside is as it was when recorded, and
a step that reads a tensor on the host cannot be recorded.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from models.graphs import RecordedStep, Step

_aten = torch.ops.aten
HOST_READS = {
    _aten._local_scalar_dense.default,
    _aten.nonzero.default,
    _aten.masked_select.default,
    _aten.repeat_interleave.Tensor,
    _aten._unique2.default,
}
"""Operations for which the host waits: they return numbers, or shapes depend on values."""


class HostReads(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """Counts the operations inside for which the host waits."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += _waits(function, args)
        return function(*args, **(kwargs or {}))


class _Recording(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if _waits(function, args):
            raise RuntimeError(f"{function} is not permitted while a step is recorded")
        result = function(*args, **(kwargs or {}))
        args, kwargs = tree_map_only(Tensor, torch.detach, (args, kwargs or {}))  # addresses, not what has them later
        self.calls.append((function, args, kwargs, result))
        return result


def record(step: Step, pool: Any) -> RecordedStep:
    """A `Recorder`."""
    with _Recording() as recording:
        output = step()

    def replay() -> None:
        for function, args, kwargs, result in recording.calls:
            again = function(*args, **kwargs)
            for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)

    return RecordedStep(replay, output, pool or recording)


def _waits(function: Any, args: Any) -> bool:
    if function in (_aten.index.Tensor, _aten.index_put_.default, _aten.index_put.default):
        return any(isinstance(index, Tensor) and index.dtype == torch.bool for index in args[1])
    return function in HOST_READS
