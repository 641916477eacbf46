"""A keeper leaves no process behind, however the program that started it ends."""

import os
import signal
import subprocess
import sys
import time
from ast import literal_eval
from pathlib import Path

import pytest

from core.keeper import NOT_FOUND
from tasks.state.workspace import PROJECT
from tests.core.kept import WITHIN, alive, family, keeper, numbers, until

PARENT = """
import subprocess, sys, time
keeper = subprocess.Popen([sys.executable, "-m", "core.keeper", *sys.argv[1:]], stdin=subprocess.PIPE,
                          start_new_session=True)
print(keeper.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_a_parent_that_is_killed_leaves_nothing(kind: signal.Signals, tmp_path: Path) -> None:
    """Not even a grandchild that has a session of its own and ignores SIGTERM."""
    words = [sys.executable, "-c", PARENT, str(tmp_path / "log"), "0.2", *family(tmp_path, 2, "deaf")]
    with subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        kept = [int(parent.stdout.readline()), *numbers(tmp_path, 2)]
        assert alive(kept) == kept
        os.kill(parent.pid, kind)
    until(lambda: not alive(kept), "keeper, service and its descendants have ended")


def test_asked_to_end_it_ends_all_descendants_first(tmp_path: Path) -> None:
    with keeper(tmp_path / "log", 0.2, *family(tmp_path, 2, "deaf")) as process:
        kept = numbers(tmp_path, 2)
        process.terminate()
        process.wait(WITHIN)
    assert alive(kept) == []


def test_those_that_end_on_sigterm_are_not_killed(tmp_path: Path) -> None:
    """A service has `grace` seconds for its own end, of which it takes what it needs."""
    program = tmp_path / "orderly.py"
    program.write_text(
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n    time.sleep(0.3)\n    print('in order', flush=True)\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "pathlib.Path(sys.argv[1]).touch()\ntime.sleep(600)\n"
    )
    log, ready = tmp_path / "log", tmp_path / "ready"
    began = time.monotonic()
    with keeper(log, 500, sys.executable, str(program), str(ready)) as process:
        until(ready.exists, "the service runs")
        assert process.stdin is not None
        process.stdin.close()
        process.wait(WITHIN)
    assert log.read_text().splitlines()[-1] == "in order"
    assert time.monotonic() - began < 400


@pytest.mark.parametrize(
    ("command", "status"),
    [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 128 + 9), ("kill -15 $$", 128 + 15)],
)
def test_the_end_of_the_service_is_reported(command: str, status: int, tmp_path: Path) -> None:
    with keeper(tmp_path / "log", 1, "sh", "-c", f"echo said; echo wrong >&2; {command}") as process:
        assert process.wait(WITHIN) == status
    head, *lines = (tmp_path / "log").read_text().splitlines()
    assert head.startswith("--- ")
    assert head.endswith(" UTC: sh starts")
    assert lines == ["said", "wrong"]


def test_what_a_service_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    """An orphan in a session of its own, whose parent has ended before."""
    command = " ".join(f"'{word}'" for word in family(tmp_path, 1, "deaf"))
    service = f"{command} & while ! test -e {tmp_path}/0.pid || ! test -e {tmp_path}/1.pid; do sleep 0.05; done; exit 3"
    with keeper(tmp_path / "log", 0.2, "sh", "-c", service) as process:
        assert process.wait(WITHIN) == 3
    assert alive(numbers(tmp_path, 1)) == []


def test_a_command_that_is_not_there_is_in_the_log(tmp_path: Path) -> None:
    with keeper(tmp_path / "log", 1, str(tmp_path / "none")) as process:
        assert process.wait(WITHIN) == NOT_FOUND
    assert f"No such file or directory: '{tmp_path}/none'" in (tmp_path / "log").read_text()


def test_the_service_ends_with_a_keeper_that_is_killed(tmp_path: Path) -> None:
    with keeper(tmp_path / "log", 1, *family(tmp_path, 0)) as process:
        [service] = numbers(tmp_path, 0)
        process.kill()
    until(lambda: not alive([service]), "the service has ended")


def test_a_service_can_be_interrupted_also_if_the_shell_ignores_interrupts(tmp_path: Path) -> None:
    """A shell without job control starts `rounds up &` so that it, and every program below it, ignores SIGINT."""
    inner = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    words = [sys.executable, "-m", "core.keeper", str(tmp_path / "log"), "1", sys.executable, "-c", inner]
    program = f"import signal, subprocess; signal.signal(2, signal.SIG_IGN); print(subprocess.call({words}))"
    pipe: int = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT, stdin=pipe, stdout=pipe) as parent:
        assert parent.stdout is not None
        assert parent.stdout.read() == b"%d\n" % (128 + signal.SIGINT)


def test_it_starts_without_a_package_of_others() -> None:
    program = (
        "import sys; before = {*sys.modules}; import core.keeper; "
        "print({name.partition('.')[0] for name in {*sys.modules} - before} - {*sys.stdlib_module_names})"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert literal_eval(done.stdout) == {"core"}
