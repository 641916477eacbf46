"""Ranks on this machine: forked, so that each has everything imported already, and connected by gloo."""

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, distributed
from torch._C._distributed_c10d import FileStore

Work = Callable[[], Mapping[str, Tensor]]


def started(count: int, work: Work, folder: Path) -> list[int]:
    """Start a function on some ranks; the process ids. Each rank writes its results to a file in the folder."""
    folder.mkdir()
    return [_forked(rank, count, work, folder) for rank in range(count)]


def on_ranks(count: int, work: Work, folder: Path) -> list[dict[str, Tensor]]:
    """The results of a function on some ranks, in their order."""
    children = started(count, work, folder)
    states = [os.waitpid(child, 0)[1] for child in children]
    assert states == [0] * count, f"{states}: {[path.read_text() for path in folder.glob('*.txt')]}"
    return [load_file(folder / f"{rank}.safetensors") for rank in range(count)]


def _forked(rank: int, count: int, work: Work, folder: Path) -> int:
    child = os.fork()
    if child:
        return child
    try:
        signal.alarm(120)  # a rank that waits for another for ever ends
        torch.set_num_threads(1)
        store = FileStore(str(folder / "store"), count)
        distributed.init_process_group("gloo", store=store, rank=rank, world_size=count)
        save_file({name: tensor.contiguous() for name, tensor in work().items()}, folder / f"{rank}.safetensors")
    except BaseException as error:
        (folder / f"{rank}.txt").write_text(repr(error))
        os._exit(1)
    os._exit(0)
