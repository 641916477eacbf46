import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import RoundBusy
from tasks.state.lock import holder, holding


def test_a_second_holder_is_refused_and_the_first_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "data" / ".lock"
    with (
        holding(lock, "round 3"),
        pytest.raises(RoundBusy, match=rf"round 3 \(process {os.getpid()}\)"),
        holding(lock, "round 4"),
    ):
        pass
    with holding(lock, "round 4"):
        pass


def test_the_holder_can_be_read(tmp_path: Path) -> None:
    lock = tmp_path / "data" / ".lock"
    assert holder(lock) is None
    with holding(lock, "round 3"):
        assert holder(lock) == f"round 3 (process {os.getpid()})"
    assert holder(lock) is None


def test_a_killed_process_releases_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "data" / ".lock"
    script = (
        "import os, signal; from pathlib import Path; from tasks.state.lock import holding\n"
        f"with holding(Path({str(lock)!r}), 'round 3'): os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
    )
    subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(Path.cwd())}, check=False)
    assert "round 3" in lock.read_text()
    with holding(lock, "round 4"):
        assert "round 4" in lock.read_text()


def test_a_holder_can_change_its_description(tmp_path: Path) -> None:
    lock = tmp_path / "data" / ".lock"
    with holding(lock, "round 0") as announce:
        announce("round 1")
        with pytest.raises(RoundBusy, match=r"round 1 \(process"), holding(lock, "round 4"):
            pass
        lock.write_text("")  # the description is not written yet
        with pytest.raises(RoundBusy, match="another process"), holding(lock, "round 4"):
            pass
