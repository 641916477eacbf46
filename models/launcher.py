"""Starts the ranks of a training with torch's launcher, and writes down which of them failed first.

    python -m models.launcher PROCESSES FOLDER MODULE ARGUMENT…

Each rank runs `python -m MODULE ARGUMENT…`; its output goes to a file in FOLDER. See `models.launching`.
"""

import os
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from core.descendants import end_with_parent
from core.files import read_json, write_json
from models import ranks
from models.launching import FAILURE, Failure

LAUNCHER, FOLDER = "ROUNDS_LAUNCHER", "ROUNDS_LAUNCH_FOLDER"
"""Environment variables of a rank: the process id of its launcher, and the folder of the launch."""


def main(arguments: Sequence[str]) -> int:
    """Run the ranks until all have ended; 1 if one of them failed."""
    processes, folder, module, *rest = arguments
    os.environ |= {LAUNCHER: str(os.getpid()), FOLDER: folder}
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=int(processes),
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,  # the round continues from its checkpoint
        logs_specs=DefaultLogsSpecs(folder, redirects=Std.ALL),
        shutdown_timeout=5,
    )
    try:
        elastic_launch(config, sys.executable)("-m", module, *rest)
    except ChildFailedError as error:
        write_json(Path(folder) / FAILURE, failure(error.failures, int(processes), Path(folder))._asdict())
        return 1
    return 0


def failure(failures: Mapping[int, ProcessFailure], count: int, folder: Path) -> Failure:
    """The failure that the others follow from: the earliest, but not of a rank that lost another one or was ended."""
    found = {rank: _noted(rank, each, folder) for rank, each in failures.items()}
    rank = min(found, key=lambda rank: (found[rank].consequence, found[rank].at))
    logs = [str(log) for log in folder.glob(f"*/attempt_0/{rank}/stderr.log")]
    noted = found[rank]
    return Failure(rank, count, noted.module, noted.kind, noted.message, "".join(logs))


class _Noted(NamedTuple):
    """What a rank has noted of its error, or what is known of one that was killed."""

    module: str
    kind: str
    message: str
    at: float
    """Seconds since 1970."""
    consequence: bool = False
    """Whether it follows from the failure of another rank."""


def _noted(rank: int, failure: ProcessFailure, folder: Path) -> _Noted:
    path = _note_of(folder, rank)
    if path.exists():
        return _Noted(**read_json(path))
    killed = failure.exitcode < 0
    message = f"it was killed by {failure.signal_name()}" if killed else f"it ended with status {failure.exitcode}"
    return _Noted("", "", message, failure.timestamp, failure.exitcode == -signal.SIGTERM)


def _note_of(folder: Path, rank: int) -> Path:
    return folder / f"rank-{rank}.json"


def run_rank(work: Callable[[], None]) -> None:
    """Run the work of this process, which a launcher has started; an error is noted for the launcher.

    The process ends with its launcher.
    """
    end_with_parent()
    if os.getppid() != int(os.environ[LAUNCHER]):
        return
    try:
        ranks.join()
        work()
        ranks.leave()
    except BaseException as error:  # CheckpointException is no Exception
        traceback.print_exc()
        sys.stderr.flush()
        noted = _Noted(type(error).__module__, type(error).__name__, str(error), time.time(), ranks.lost(error))
        write_json(_note_of(Path(os.environ[FOLDER]), int(os.environ["RANK"])), noted._asdict())
        os._exit(1)  # without waiting for threads that wait for other ranks


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
