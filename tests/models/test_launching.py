"""Ranks that a program starts: what they report, how they fail, and that none outlives the program."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models import rendezvous
from models.launching import LaunchSettings, RankFailed, follow, launch
from tests.cures import cures
from tests.pages import ROOT
from tests.services.programs import free_port

PROGRAM = "tests.models.rank_program"


def launched(kind: str, folder: Path, processes: int = 2) -> list[dict[str, float]]:
    heard: list[str] = []
    folder.mkdir()
    launch(LaunchSettings(processes=processes), PROGRAM, [kind, str(folder)], folder, heard.append)
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
        "from pathlib import Path; from models.launching import LaunchSettings, launch; "
        f"launch(LaunchSettings(processes=2), {PROGRAM!r}, ['endless', {str(folder)!r}], Path({str(folder)!r}), print)"
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


class Machines:
    """Two programs on this machine that act as the two machines of a launch."""

    def __init__(self, kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch, minutes: float = 2.0) -> None:
        folder.mkdir()
        monkeypatch.setenv(rendezvous.ADDRESS, f"127.0.0.1:{free_port()}")
        self.folder, self.arguments, self.heard = folder, [kind, str(folder)], list[str]()
        self.settings = LaunchSettings(nodes=2, join_minutes=minutes)

    def lead(self) -> None:
        """The machine of the round."""
        launch(self.settings, PROGRAM, self.arguments, self.folder, self.heard.append)

    def help(self) -> None:
        """The other one."""
        while (arranged := rendezvous.read(self.folder)) is None:
            time.sleep(0.05)
        follow(PROGRAM, self.arguments, self.folder, arranged)


def test_two_machines_train_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machines = Machines("fine", tmp_path / "ranks", monkeypatch)
    with ThreadPoolExecutor(1) as threads:
        helping = threads.submit(machines.help)
        machines.lead()
        helping.result()
    assert [json.loads(line) for line in machines.heard] == [{"total": 3, "count": 2}]
    assert not (tmp_path / "ranks" / rendezvous.FILE).exists()


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [("bad", "BadFeedback", "row 7 has no answer; add one"), ("killed", "", "it was")],
)
def test_a_failure_on_one_machine_is_named_on_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str, said: str
) -> None:
    machines = Machines(kind, tmp_path / "ranks", monkeypatch)
    with ThreadPoolExecutor(1) as threads:
        helping = threads.submit(machines.help)
        with pytest.raises(RankFailed) as caught:
            machines.lead()
        with pytest.raises(RankFailed):
            helping.result()
    failure = caught.value.failure
    assert (failure.rank, failure.of, failure.kind) == (1, 2, name)
    assert failure.message.startswith(said)
    assert Path(failure.log).exists()
    assert gone(pids(tmp_path / "ranks", 2))


@cures("models.launcher.not_met: set …")
def test_a_port_in_use_is_named_and_another_one_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machines = Machines("fine", tmp_path / "ranks", monkeypatch, minutes=1.0)
    with socket.create_server(("", 0)) as taken:
        monkeypatch.setenv(rendezvous.ADDRESS, f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(RankFailed) as caught:
            machines.lead()
    assert caught.value.failure.kind == "NoRendezvous"
    assert "set ROUNDS_RENDEZVOUS" in str(caught.value)
    monkeypatch.setenv(rendezvous.ADDRESS, f"127.0.0.1:{free_port()}")
    with ThreadPoolExecutor(1) as threads:
        helping = threads.submit(machines.help)
        machines.lead()
        helping.result()


def test_a_machine_that_does_not_come_is_waited_for_as_long_as_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = Machines("fine", tmp_path / "ranks", monkeypatch, minutes=0.05)
    with pytest.raises(RankFailed) as caught:
        machines.lead()
    assert caught.value.failure.kind == "NoRendezvous"
    assert "fewer than 2 machines came to 127.0.0.1:" in str(caught.value)


def test_a_call_of_a_machine_that_has_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machines = Machines("fine", tmp_path / "ranks", monkeypatch, minutes=0.05)
    rendezvous.arrange(2, 1, 0.05).save(machines.folder)
    with pytest.raises(RankFailed) as caught:
        machines.help()
    assert caught.value.failure.kind == "NoRendezvous"
