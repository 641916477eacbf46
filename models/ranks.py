"""The processes that train one model together: which part of the work each does, and sums over all (gloo, NCCL).

Every process ("rank") runs the same program on the same data and draws the same random numbers. Each computes its own
rows, and results are added up over all ranks, so that every rank has the whole: denominators, whitening, normalisation,
KL controller and early stop are those of one process, up to rounding.
"""

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.distributed.tensor import DTensor

from core.errors import RoundsError
from core.files import replacing

Item = TypeVar("Item")

BUCKET = 64 * 2**20
"""Bytes that are sent at once: a copy of them is in memory meanwhile."""


@dataclass(frozen=True)
class Ranks:
    """The place of this process among those that train together."""

    index: int
    count: int

    @property
    def first(self) -> bool:
        """Whether this is the rank that reports and writes files."""
        return self.index == 0

    def own(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items of this rank: every `count`-th, so that items sorted by length are shared evenly."""
        return items[self.index :: self.count]


ALONE = Ranks(0, 1)


class RankLost(RuntimeError):
    """Another rank has ended, so that this one cannot go on. The other one has the reason."""


class RanksDiffer(RoundsError):
    """The machines of a training have different code, packages or workspaces."""


_ALONE: ContextVar[bool] = ContextVar("alone", default=False)


def current() -> Ranks:
    """The ranks that this process trains with; `ALONE` without `torch.distributed`, and inside `alone`."""
    if _ALONE.get() or not (distributed.is_available() and distributed.is_initialized()):
        return ALONE
    return Ranks(distributed.get_rank(), distributed.get_world_size())


@contextmanager
def alone() -> Iterator[None]:
    """Inside, this process computes everything itself, for work that only one rank does."""
    token = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(token)


def join() -> None:
    """Connect this process with the others that the launcher has started, and use the GPU of its own, if there is one.

    Raises:
        RankLost: another rank ended before.
    """
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    with _connected():
        distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        distributed.barrier()


def agree(facts: Mapping[str, str]) -> None:
    """Check that all ranks are told the same, such as versions of packages on machines that were set up separately.

    Args:
        facts: name → what this rank knows; the names are the same on all.

    Raises:
        RanksDiffer: a rank knows something else than the first one; the same error on all.
    """
    told: list[tuple[str, Mapping[str, str]] | None] = [None] * current().count
    with _connected():
        distributed.all_gather_object(told, (socket.gethostname(), dict(facts)))
    (machine, first), *others = [each for each in told if each is not None]
    for index, (other, different) in enumerate(others, 1):
        for name, value in first.items():
            if different[name] != value:
                raise RanksDiffer(
                    f"process {index}, on {other}, has {name} {different[name]}, and process 0, on {machine}, has "
                    f"{value}; install the same of both and give all machines the same workspace"
                )


def leave() -> None:
    """End the connection, once all ranks have come here."""
    wait()
    distributed.destroy_process_group()


def wait() -> None:
    """Wait until all ranks have come here."""
    if current().count > 1:
        with _connected():
            distributed.barrier()


def once(work: Callable[[], None]) -> None:
    """Let the first rank, alone, do what only one may do, for example write files."""
    if current().first:
        with alone():
            work()


def told(work: Callable[[], Item]) -> Item:
    """What a function returns that the first rank, alone, calls, on all ranks: anything that can be pickled.

    Raises:
        RankLost: on other ranks, if the first one fails.
    """
    results: list[Any] = [None]
    if current().first:
        with alone():
            results = [work()]
    if current().count > 1:
        with _connected():
            distributed.broadcast_object_list(results, device=torch.device("cpu"))
    result: Item = results[0]
    return result


def write(target: Path, work: Callable[[Path], None], together: bool) -> None:
    """Replace a file or folder, atomically, by what a function writes to the path that it gets.

    Args:
        target: what is replaced.
        work: see there.
        together: all ranks call the function, with the same path, because it needs what only other ranks have;
            otherwise the first rank calls it alone.
    """
    if not together:
        once(lambda: _replace(target, work))
    elif current().count == 1:
        _replace(target, work)
    else:
        with _replacing(target) as draft:
            work(draft)


def _replace(target: Path, work: Callable[[Path], None]) -> None:
    with replacing(target) as draft:
        work(draft)


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """The first rank replaces the target; all have the same draft, and leave once all have written to it."""
    with replacing(target) if current().first else nullcontext(target) as draft:
        names = [str(draft)]
        with _connected():
            distributed.broadcast_object_list(names, device=torch.device("cpu"))
        yield Path(names[0])
        wait()
    wait()


@contextmanager
def _connected() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise RankLost(f"another rank has ended: {error}") from error


def lost(error: BaseException) -> bool:
    """Whether an error follows from the end of another rank: ours, and those of gloo and NCCL in a library."""
    return isinstance(error, RankLost | distributed.DistBackendError) or "gloo/transport" in str(error)


class SharedPart(NamedTuple):
    """Rows of one forward pass."""

    rows: list[int]
    weight: float
    """1; 0 for rows that take the place of a part that this rank does not have."""


def shared(rows: Sequence[int], split: Callable[[Sequence[int]], list[list[int]]], ranks: Ranks) -> list[SharedPart]:
    """The forward passes of one rank for some rows; all ranks have equally many, because sharded weights need that.

    Over all ranks each row is in one part of weight 1. A rank with fewer parts than another repeats the first row with
    weight 0. `split` divides rows into parts that fit into memory.
    """
    parts = [split(rows[index :: ranks.count]) for index in range(ranks.count)]
    missing = max(map(len, parts)) - len(parts[ranks.index])
    return [*(SharedPart(part, 1.0) for part in parts[ranks.index]), *[SharedPart(list(rows[:1]), 0.0)] * missing]


def add_up(tensors: Sequence[Tensor]) -> None:
    """Replace tensors by their sums over all ranks, in place. All ranks give equal shapes and types in equal order."""
    if current().count == 1:
        return
    for _, same in groupby(tensors, key=lambda tensor: (tensor.dtype, tensor.device)):
        for bucket in _buckets(list(same)):
            flat = torch.cat([tensor.detach().reshape(-1) for tensor in bucket])
            with _connected():
                distributed.all_reduce(flat)
            for tensor, total in zip(bucket, torch.split(flat, [tensor.numel() for tensor in bucket]), strict=True):
                tensor.detach().copy_(total.view_as(tensor))


def add_up_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace the gradients of weights by their sums over all ranks. Those of divided weights are sums already."""
    if current().count == 1:
        return
    whole = [weight for weight in parameters if not isinstance(weight, DTensor)]
    for weight in whole:
        if weight.grad is None and weight.requires_grad:
            weight.grad = torch.zeros_like(weight)
    add_up([weight.grad for weight in whole if weight.grad is not None])


def total(value: float) -> float:
    """The sum of a number over all ranks."""
    number = torch.tensor(value, dtype=torch.float64)
    add_up([number])
    return number.item()


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    for tensor in tensors:
        if bucket and sum(each.nbytes for each in bucket) + tensor.nbytes > BUCKET:
            yield bucket
            bucket = []
        bucket.append(tensor)
    yield bucket
