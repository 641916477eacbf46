"""Processes with a mark in their environment: they are found and ended, and no others."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tasks.services import orphans
from tests.core.kept import until

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


@contextmanager
def process(mark: str, *command: str) -> Iterator["subprocess.Popen[str]"]:
    """A process of another session, with the mark."""
    env = orphans.marked(os.environ, mark)
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True) as started:
        try:
            yield started
        finally:
            started.kill()


def test_a_mark_is_found_in_all_descendants_and_nowhere_else() -> None:
    mark, other = orphans.new_mark(), orphans.new_mark()
    assert mark != other
    with (
        process(mark, "sh", "-c", "setsid sleep 600 & wait") as parent,
        process(other, "sleep", "600") as stranger,
        process(f"{mark}0", "sleep", "600"),
    ):
        until(lambda: len(orphans.running([mark])) == 2, "the child runs")
        child = next(number for number in orphans.running([mark]) if number != parent.pid)
        assert Path(f"/proc/{child}/comm").read_text() in ("sleep\n", "setsid\n")
        assert len(orphans.running([mark, other])) == 3
        assert orphans.end([mark], 60)
        assert orphans.running([mark]) == []
        assert not orphans.end([mark], 60)
        assert stranger.poll() is None


def test_one_that_ignores_the_signal_is_killed() -> None:
    mark = orphans.new_mark()
    with process(mark, sys.executable, "-c", DEAF) as deaf:
        assert deaf.stdout is not None
        assert deaf.stdout.readline() == "deaf\n"
        assert orphans.end([mark], 0.2)
        assert deaf.wait() == -9


def test_without_marks_nothing_is_found() -> None:
    with ExitStack() as stack:
        stack.enter_context(process("", "sleep", "600"))
        assert orphans.running([]) == []
        assert not orphans.end([], 60)
