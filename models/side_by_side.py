"""Independent parts of a computation on a CPU, side by side: each in a thread of its own, on one core.

While answers are sampled, the matrices of an operation are small, and threads that share it wait for each other most of
the time (benchmarks/results/threads.md).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Event
from typing import TypeVar

import torch
from torch import nn

Part = TypeVar("Part")
Result = TypeVar("Result")

LEAST_ROWS = 24
"""With fewer rows in a part, side by side was no faster than one part on all cores."""

_CHANGES = ("dynamic", "longrope")
"""Kinds of rotary embeddings whose forward pass changes the frequencies, which all threads share."""


def parts(rows: Sequence[int], model: nn.Module, device: torch.device) -> list[Sequence[int]]:
    """The rows in as many parts of nearly equal size as threads can compute side by side, `LEAST_ROWS` in each.

    One part on a GPU.
    """
    alone = device.type != "cpu" or changes(model)
    count = 1 if alone else max(1, min(torch.get_num_threads(), len(rows) // LEAST_ROWS))
    bounds = [index * len(rows) // count for index in range(count + 1)]
    return [rows[start:end] for start, end in pairwise(bounds)]


def compute(function: Callable[[Part, Event], Result], parts: Sequence[Part]) -> list[Result]:
    """The results of the function for all parts, in their order.

    Several parts are computed in threads, one core each. Modes of torch that belong to a thread, such as `no_grad`,
    have to be set in the function, which should return soon once the event is set: another part has failed, or the user
    has interrupted the program.
    """
    stop = Event()
    if len(parts) == 1:
        return [function(parts[0], stop)]

    def stopping(part: Part) -> Result:
        try:
            return function(part, stop)
        except BaseException:
            stop.set()
            raise

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # also of the threads that start from now on
    try:
        with ThreadPoolExecutor(len(parts)) as pool:
            try:
                return [future.result() for future in [pool.submit(stopping, part) for part in parts]]
            except BaseException:
                stop.set()
                raise
    finally:
        torch.set_num_threads(threads)


def changes(model: nn.Module) -> bool:
    """Whether the model has rotary embeddings whose frequencies a forward pass changes."""
    kinds = (getattr(module, "rope_type", None) for module in model.modules())
    return any(kind in _CHANGES for entry in kinds for kind in (entry.values() if isinstance(entry, dict) else [entry]))
