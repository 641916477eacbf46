"""A program for tests: moves the alias in separate processes, which are killed or run concurrently.

MLflow is imported and initialised once, with a store that no job uses; then each job is forked.
"""

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tasks.registry.alias import AliasConflict, Registry


class KilledAt:
    """A store that kills its process with SIGKILL before, or right after, the nth call of one method."""

    def __init__(self, store: Any, when: str, method: str, nth: int = 1) -> None:
        self._store, self._when, self._method, self._remaining = store, when, method, nth

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        return self._killing(call) if name == self._method else call

    def _killing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self._remaining -= 1
            if self._remaining == 0 and self._when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = call(*args, **kwargs)
            if self._remaining == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapped


def promote_and_die(root: Path, action: str, when: str, method: str) -> None:
    """Promote version 3 over 2, or roll 2 back to 1, and be killed during it."""
    registry = Registry(root)
    killer: Any = KilledAt(registry.store, when, method)
    registry.store = registry._journal._store = killer
    if action == "promote":
        registry.promote("3", "2", "better", "schedule")
    else:
        registry.rollback(None, "rude", "ana")


def race(root: Path, version: str) -> None:
    """Promote a version over 2, or roll back if `version` is `back`; write the outcome to a file."""
    try:
        registry, who = Registry(root), f"racer for {version}"
        if version == "back":
            outcome = f"back to {registry.rollback(None, 'rude', who).now.version}"
        else:
            outcome = registry.promote(version, "2", "better", who)
    except AliasConflict:
        outcome = "conflict"
    (root / "outcomes").mkdir(exist_ok=True)
    (root / "outcomes" / f"{version}.{os.getpid()}").write_text(outcome)


def forked(work: Callable[[], None]) -> int:
    """Fork a process that runs `work`; returns its id."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def status(pid: int) -> int:
    """Exit status of a process: 0, 1, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(mode: str, spare: str, jobs: list[str]) -> None:
    """`die SPARE ROOT:ACTION:WHEN:METHOD …`, `race SPARE ROOT:VERSION|back …`: one process a job; prints statuses."""
    Registry(Path(spare)).alias()  # imports MLflow once for all
    works: dict[str, Callable[..., None]] = {"die": promote_and_die, "race": race}
    pids = []
    for root, *rest in (job.split(":") for job in jobs):
        pids.append(forked(partial(works[mode], Path(root), *rest)))
    print(*map(status, pids), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
