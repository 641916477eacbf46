"""Backups and restorations in a process of their own, which dies at a given call."""

import os
import resource
import signal
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from core.errors import RoundsError


def killed_at(owner: Any, name: str, count: int, work: Callable[[], object]) -> None:
    """Run `work` in a process that is killed before the `count`-th call of `owner.name`."""

    def child() -> None:
        calls, function = iter(range(1, count)), getattr(owner, name)

        def mortal(*arguments: Any, **options: Any) -> Any:
            if next(calls, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        pytest.MonkeyPatch().setattr(owner, name, mortal)
        work()

    assert os.waitstatus_to_exitcode(_forked(child)) == -signal.SIGKILL


def with_a_full_disk(limit: int, work: Callable[[], object]) -> None:
    """Run `work` in a process in which no file grows beyond `limit` bytes; it has to end with a `RoundsError`."""

    def child() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            work()
        except RoundsError:
            os._exit(7)

    assert os.waitstatus_to_exitcode(_forked(child)) == 7


def _forked(child: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        _run(child)
    return os.waitpid(pid, 0)[1]


def _run(child: Callable[[], None]) -> NoReturn:
    try:
        child()
    finally:
        os._exit(0)
