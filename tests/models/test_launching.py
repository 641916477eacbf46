"""Ranks that a program starts: what they report, how they fail, and that none outlives the program."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.launching import RankFailed, launch
from tests.pages import ROOT

PROGRAM = "tests.models.rank_program"


def launched(kind: str, folder: Path, processes: int = 2) -> list[dict[str, float]]:
    heard: list[str] = []
    folder.mkdir()
    launch(processes, PROGRAM, [kind, str(folder)], folder, heard.append)
    return [json.loads(line) for line in heard]


def alive(number: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{number}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids(folder: Path, count: int) -> list[int]:
    """The ranks of a launch, once they have started."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        texts = [path.read_text() for path in folder.glob("*.pid")]
        if len(texts) == count and all(texts):
            return [int(text) for text in texts]
        time.sleep(0.1)
    raise AssertionError(sorted(folder.iterdir()))


def gone(numbers: list[int]) -> bool:
    deadline = time.monotonic() + 60
    while any(map(alive, numbers)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_ranks_run_together_and_the_first_reports(tmp_path: Path) -> None:
    assert launched("fine", tmp_path / "ranks", 3) == [{"total": 6, "count": 3}]  # 1 + 2 + 3
    assert gone(pids(tmp_path / "ranks", 3))


@pytest.mark.parametrize(
    ("kind", "module", "name", "said"),
    [
        ("bad", "core.errors", "BadFeedback", "row 7 has no answer; add one"),
        ("bug", "builtins", "ZeroDivisionError", "one divided by nothing"),
        ("killed", "", "", "it was killed by SIGKILL"),
    ],
)
def test_the_rank_that_failed_first_is_named(tmp_path: Path, kind: str, module: str, name: str, said: str) -> None:
    with pytest.raises(RankFailed) as caught:
        launched(kind, tmp_path / "ranks")
    failure = caught.value.failure
    assert (failure.rank, failure.of) == (1, 2)
    assert (failure.module, failure.kind, failure.message) == (module, name, said)
    if kind == "bug":
        assert "about to fail" in Path(failure.log).read_text()
    assert gone(pids(tmp_path / "ranks", 2))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_ranks_end_with_the_program_that_started_them(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "ranks"
    folder.mkdir()
    code = (
        "from pathlib import Path; from models.launching import launch; "
        f"launch(2, {PROGRAM!r}, ['endless', {str(folder)!r}], Path({str(folder)!r}), print)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # it is ignored in the background of a shell
    ) as program:
        found = pids(folder, 2)
        os.kill(program.pid, number)
        program.wait(60)
    assert gone(found)
