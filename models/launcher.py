"""Starts the ranks of a training on one machine with torch's launcher, and writes down which of them failed first.

    python -m models.launcher FOLDER OWN MODULE ARGUMENT…

FOLDER has the file of the rendezvous; all machines see it. Each rank runs `python -m MODULE ARGUMENT…`; its output goes
to a file in OWN. On the machine of the round, OWN is FOLDER. See `models.launching`.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.elastic.rendezvous.api import RendezvousError, RendezvousTimeoutError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from core.descendants import end_with_parent
from core.files import read_json, write_json
from models import ranks, rendezvous
from models.launching import FAILURE, LOG, Failure
from models.rendezvous import NoRendezvous, Rendezvous

LAUNCHER, FOLDER = "ROUNDS_LAUNCHER", "ROUNDS_LAUNCH_FOLDER"
"""Environment variables of a rank: the process id of its launcher, and the folder of the launch."""

_STORE = 60
"""Seconds in which the address of a rendezvous has to answer."""

OUTPUT = "stderr.log"
"""torch's name for the file with the output of a rank, beside that for its error."""


def main(arguments: Sequence[str]) -> int:
    """Run the ranks of this machine until all have ended; 1 if one of them failed, or the machines did not meet."""
    shared, own, module, *rest = arguments
    folder, arranged = Path(own), rendezvous.read(Path(shared))
    if arranged is None:
        return 1  # the launch has been given up
    os.environ |= {LAUNCHER: str(os.getpid()), FOLDER: shared}
    try:
        elastic_launch(_config(arranged, folder, hosts=shared == own), sys.executable)("-m", module, *rest)
    except ChildFailedError as error:
        found = failure(error.failures, arranged.ranks, Path(shared))
    except RendezvousError as error:
        found = not_met(arranged, error, str(folder / LOG))
    else:
        return 0
    write_json(folder / FAILURE, found._asdict())
    return 1


def _config(arranged: Rendezvous, own: Path, hosts: bool) -> LaunchConfig:
    """How torch's launcher starts the ranks; `hosts` for the one at whose address all meet."""
    address, limit = "localhost", max(1, round(60 * arranged.minutes))
    if arranged.nodes > 1:
        address, interface = rendezvous.way(arranged.endpoint)
        for library in ("GLOO", "NCCL") if interface else ():
            os.environ.setdefault(f"{library}_SOCKET_IFNAME", interface)  # otherwise that of the host's name, often lo
    return LaunchConfig(
        min_nodes=arranged.nodes,
        max_nodes=arranged.nodes,
        nproc_per_node=arranged.processes,
        run_id=arranged.id,
        rdzv_backend="c10d",
        rdzv_endpoint=arranged.endpoint,
        rdzv_configs={"is_host": hosts, "join_timeout": limit, "read_timeout": min(limit, _STORE)},
        local_addr=address,
        max_restarts=0,  # the round continues from its checkpoint
        logs_specs=DefaultLogsSpecs(str(own), redirects=Std.ALL),
        shutdown_timeout=5,
    )


def not_met(arranged: Rendezvous, error: Exception, log: str) -> Failure:
    """The failure of launchers that did not meet."""
    if isinstance(error, RendezvousTimeoutError):
        found = f"fewer than {arranged.nodes} machines came to {arranged.endpoint} within {arranged.minutes:g} minutes"
        cure = "start `rounds node` for this workspace on each of the others, then type `rounds round`"
    else:
        found = f"no rendezvous at {arranged.endpoint} ({error.__cause__ or error})"
        cure = f"set {rendezvous.ADDRESS} to an address of the machine of the round that others reach, and a free port"
    message = f"launch.nodes={arranged.nodes}: {found}; {cure}"
    return Failure(0, arranged.ranks, NoRendezvous.__module__, NoRendezvous.__name__, message, log)


def failure(failures: Mapping[int, ProcessFailure], count: int, folder: Path) -> Failure:
    """The failure that the others follow from: the earliest, but not of a rank that lost another one or was ended.

    Args:
        failures: of the ranks of this machine.
        count: of ranks on all machines.
        folder: in which all ranks note their errors.
    """
    found = {rank: _noted(rank, each, folder) for rank, each in failures.items()}
    if all(each.consequence for each in found.values()):  # the reason is on another machine
        found |= {rank: noted for rank in range(count) if (noted := _note(folder, rank))}
    silent = [rank for rank in range(count) if rank not in found]
    if silent and all(each.consequence for each in found.values()):
        first = next(iter(found.values()))
        return Failure(silent[0], count, "", "", "it was ended on its machine, or the machine has gone", first.log)
    rank = min(found, key=lambda rank: (found[rank].consequence, found[rank].at))
    noted = found[rank]
    return Failure(rank, count, noted.module, noted.kind, noted.message, noted.log)


class _Noted(NamedTuple):
    """What a rank has noted of its error, or what is known of one that was killed."""

    module: str
    kind: str
    message: str
    at: float
    """Seconds since 1970."""
    log: str
    """The rank's output, a file."""
    consequence: bool = False
    """Whether it follows from the failure of another rank."""


def _noted(rank: int, failure: ProcessFailure, folder: Path) -> _Noted:
    if noted := _note(folder, rank):
        return noted
    killed = failure.exitcode < 0
    message = f"it was killed by {failure.signal_name()}" if killed else f"it ended with status {failure.exitcode}"
    log = str(Path(failure.error_file).with_name(OUTPUT))
    return _Noted("", "", message, failure.timestamp, log, failure.exitcode == -signal.SIGTERM)


def _note(folder: Path, rank: int) -> _Noted | None:
    path = _note_of(folder, rank)
    return _Noted(**read_json(path)) if path.exists() else None


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
        log = str(Path(os.environ["TORCHELASTIC_ERROR_FILE"]).with_name(OUTPUT))
        kind = type(error)
        noted = _Noted(kind.__module__, kind.__name__, str(error), time.time(), log, ranks.lost(error))
        write_json(_note_of(Path(os.environ[FOLDER]), int(os.environ["RANK"])), noted._asdict())
        os._exit(1)  # without waiting for threads that wait for other ranks


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
