"""Ctrl-C, in small programs; in a whole command: tests/flows/test_interrupted.py."""

import signal
import subprocess
import sys

import pytest

from core.interrupts import GRACE, STATUS

PROGRAM = """
import atexit, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from core.interrupts import end_in_time
end_in_time()
def wait(seconds=60.0):
    print("ready", flush=True)
    time.sleep(seconds)
"""
BODIES = {
    "an exception": "try:\n    wait()\nexcept KeyboardInterrupt:\n    sys.exit(130)",
    "caught by a library": "while True:\n    try:\n        wait()\n    except BaseException:\n        pass",
    "at the exit": "atexit.register(wait)",
    "at the very end": "atexit.register(wait, 1)",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_the_process_ends_in_time_with_130(body: str) -> None:
    command = [sys.executable, "-c", PROGRAM + body]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(GRACE + 1) == STATUS


@pytest.mark.parametrize("prepared", ["", "from core.process import prepare\nprepare()\n"])
def test_an_error_that_a_library_makes_of_an_interrupt_prints_no_traceback(prepared: str) -> None:
    """As pydantic does: it raises an error of its own where a function that it calls was interrupted."""
    body = "try:\n    wait()\nexcept KeyboardInterrupt as error:\n    raise ValueError('renamed') from error"
    command = [sys.executable, "-c", PROGRAM + prepared + body]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=GRACE + 1)
        assert (process.returncode, errors) == (STATUS, "")


def test_a_background_job_still_ignores_it() -> None:
    ignoring = PROGRAM.replace("default_int_handler", "SIG_IGN") + "wait(1)"
    with subprocess.Popen([sys.executable, "-c", ignoring], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
