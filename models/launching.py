"""Training on several processes: how a program starts the ranks, hears of them, and learns why one has failed.

The ranks are started by torch's launcher (torchrun) in a process of its own, `models.launcher`, which ends with the
program that started it, as the ranks end with the launcher. With several machines, each has such a launcher: the
program of the round starts one with `launch`, the others with `follow`.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Self

from pydantic import Field, model_validator

from core.descendants import end_with_parent
from core.files import read_json
from core.settings import BaseSettings
from models import rendezvous
from models.compute import Sharding
from models.rendezvous import Rendezvous

REPORTS, FAILURE, LOG = "reports.jsonl", "failure.json", "launcher.log"
"""Files of a launch: a line for each report of the first rank; why a rank has failed; the launcher's own output. Each
machine has the last two in a folder of its own."""

_PAUSE = 0.1
"""Seconds between two looks at the reports."""
_GRACE = 15.0
"""Seconds between SIGTERM and SIGKILL."""


class LaunchSettings(BaseSettings):
    """Training on several processes, which share the rows of each gradient step (data parallel)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.shard and self.ranks == 1:
            raise ValueError("launch.shard divides weights among processes; set launch.processes to 2 or more")
        if self.offload and not self.shard:
            raise ValueError("launch.offload needs launch.shard=true")
        return self

    processes: int = Field(1, ge=1)
    """Processes that train together, on each machine; 1 trains in the process of the round. On GPUs each has one; on
    CPUs each has `model.threads` threads. Another number gives the same result up to rounding."""
    nodes: int = Field(1, ge=1)
    """Machines that train together. All see the folder of the workspace; `ROUNDS_RENDEZVOUS` is the address of the one
    that runs the round, and the others run `rounds node` (docs/cluster.md)."""
    join_minutes: float = Field(10.0, gt=0)
    """With several machines: how long the machine of the round waits for the others."""
    shard: bool = False
    """Divide weights, gradients and moments among the processes (FSDP2), which then need less memory and send more.
    Sampling and saving still collect the whole model."""
    offload: bool = False
    """With `shard` on GPUs: keep weights, gradients and moments in the memory of the CPU. Slower."""

    @property
    def ranks(self) -> int:
        """Processes of all machines."""
        return self.processes * self.nodes

    @property
    def sharding(self) -> Sharding | None:
        """How weights are divided; None if they are not."""
        return Sharding(self.offload) if self.shard else None


class Failure(NamedTuple):
    """Why a launch failed."""

    rank: int
    of: int
    """Number of ranks."""
    module: str
    kind: str
    """Module and name of the error's class; empty for a rank that was killed."""
    message: str
    log: str
    """The rank's output, a file."""


class RankFailed(RuntimeError):
    """A rank ended before its work was done."""

    def __init__(self, failure: Failure) -> None:
        what = f"{failure.kind}: {failure.message}" if failure.kind else failure.message
        super().__init__(f"process {failure.rank} of {failure.of} failed: {what}\nIts output is in {failure.log}")
        self.failure = failure


def launch(
    settings: LaunchSettings, module: str, arguments: Sequence[str], folder: Path, hear: Callable[[str], None]
) -> None:
    """Run `python -m MODULE ARGUMENT…` on several ranks until all have ended.

    Args:
        settings: how many, and on how many machines.
        module: its program calls `ranks.join` first and `ranks.leave` last.
        arguments: the same for all ranks of this machine.
        folder: an empty folder for output and reports, which all machines see.
        hear: receives each line that the first rank reports.

    Raises:
        BadParams: several machines are wanted, and this one cannot be met.
        RankFailed: a rank failed, or too few machines came; the other ranks were ended.
    """
    arranged = rendezvous.arrange(settings.nodes, settings.processes, settings.join_minutes)
    arranged.save(folder)
    try:
        with _started(folder, folder, module, arguments) as launcher:
            for line in _reported(folder / REPORTS, launcher):
                hear(line)
    finally:
        (folder / rendezvous.FILE).unlink(missing_ok=True)
    if launcher.returncode:
        raise RankFailed(_failure(folder, launcher.returncode, arranged))


def follow(module: str, arguments: Sequence[str], folder: Path, arranged: Rendezvous) -> None:
    """Run the ranks of this machine, for a launch of another one in a folder that both see.

    Raises:
        RankFailed: one of them failed, or the machines did not meet.
    """
    own = folder / f"{socket.gethostname()}-{os.getpid()}"
    own.mkdir(exist_ok=True)
    with _started(folder, own, module, arguments) as launcher:
        launcher.wait()
    if launcher.returncode:
        raise RankFailed(_failure(own, launcher.returncode, arranged))


@contextmanager
def _started(folder: Path, own: Path, module: str, arguments: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A launcher in a session of its own, so that Ctrl-C reaches this program alone, which ends it."""
    command = [sys.executable, "-m", "models.launcher", str(folder), str(own), module, *arguments]
    with (own / LOG).open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            process.kill()
            process.wait()


def _reported(path: Path, process: subprocess.Popen[bytes]) -> Iterator[str]:
    """The lines of a file while the process writes it, and those that are left when it has ended."""
    read = 0
    while True:
        ended = process.poll() is not None
        text = _after(path, read) if path.exists() else b""
        whole = text[: text.rfind(b"\n") + 1]
        read += len(whole)
        yield from whole.decode().splitlines()
        if ended:
            return
        time.sleep(_PAUSE)


def _after(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read()


def _failure(own: Path, status: int, arranged: Rendezvous) -> Failure:
    if (own / FAILURE).exists():
        return Failure(**read_json(own / FAILURE))
    message = f"the launcher of the processes ended with status {status}"
    return Failure(0, arranged.ranks, "", "", message, str(own / LOG))


def report(folder: Path, values: Mapping[str, object]) -> None:
    """Send values to the program that started the ranks; called by the first rank."""
    with (folder / REPORTS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(values) + "\n")
