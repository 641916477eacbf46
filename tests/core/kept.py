"""Small real processes under a keeper, and what is left of them."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from core.descendants import started
from tasks.state.workspace import PROJECT

WITHIN = 60.0
"""Seconds: a busy machine takes long to start a process."""

FAMILY = """
import os, signal, subprocess, sys, time
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
depth, folder = int(sys.argv[1]), sys.argv[3]
if depth:
    subprocess.Popen([sys.executable, __file__, str(depth - 1), sys.argv[2], folder], start_new_session=True)
with open(f"{folder}/{depth}.draft", "w") as file:
    file.write(str(os.getpid()))
os.rename(f"{folder}/{depth}.draft", f"{folder}/{depth}.pid")
time.sleep(600)
"""
"""A process with a child of its own session, and so on; `deaf` ones ignore SIGTERM."""


def keeper(log: Path, grace: float, *command: str) -> "subprocess.Popen[bytes]":
    """A keeper, started as `rounds up` starts it."""
    words = [sys.executable, "-m", "core.keeper", str(log), str(grace), *command]
    return subprocess.Popen(words, cwd=PROJECT, stdin=subprocess.PIPE, start_new_session=True)


def family(folder: Path, depth: int, manner: str = "") -> list[str]:
    """The command of a service that has `depth` generations of descendants."""
    program = folder / "family.py"
    program.write_text(FAMILY)
    return [sys.executable, str(program), str(depth), manner, str(folder)]


def numbers(folder: Path, depth: int) -> list[int]:
    """The process ids of a family, as soon as all of them run."""
    files = [folder / f"{each}.pid" for each in range(depth + 1)]
    until(lambda: all(file.exists() for file in files), "the family runs")
    return [int(file.read_text()) for file in files]


def alive(processes: list[int]) -> list[int]:
    """Those that have not ended."""
    return [number for number in processes if started(number) is not None]


def until(holds: Callable[[], bool], what: str) -> None:
    """Return as soon as it holds."""
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < deadline, f"not within {WITHIN:.0f} s: {what}"
        time.sleep(0.02)
