"""A whole `rounds up` with small services, in a process of its own: nothing is left of it, however it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core import descendants
from tasks.services import orphans, record
from tasks.state.lock import holder
from tasks.state.workspace import PROJECT, Workspace
from tests.core.kept import alive, until
from tests.tasks.services.small import free_port


def _prepare() -> None:
    """End with the tests, and heed the signals that they may have been started to ignore (`nohup`, `&`)."""
    descendants.end_with_parent()
    for kind in (signal.SIGINT, signal.SIGHUP):
        signal.signal(kind, signal.SIG_DFL)


class Started:
    """The program, and what it has printed."""

    def __init__(self, workspace: Workspace, folder: Path, *manners: str, port: int | None = None) -> None:
        self.folder = folder
        names = [f"service-{number}" for number in range(len(manners))]
        self.ports = [port or free_port(), *(free_port() for _ in manners[1:])]
        described = [
            {"name": name, "port": each, "manner": manner}
            for name, each, manner in zip(names, self.ports, manners, strict=True)
        ]
        words = ["-m", "tests.tasks.services.host", str(workspace.root), str(folder), json.dumps(described)]
        self.process = subprocess.Popen(
            [sys.executable, *words], cwd=PROJECT, stdout=subprocess.PIPE, text=True, preexec_fn=_prepare
        )

    def until_ready(self) -> list[int]:
        """The process ids of the services, as soon as all answer."""
        assert self.process.stdout is not None
        while (line := self.process.stdout.readline()) != "ready\n":
            assert line, "it ended"
        return [int((self.folder / f"{port}.pid").read_text()) for port in self.ports]

    def kill(self) -> None:
        """End it by SIGKILL, if it still runs."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def end(self) -> tuple[str, int]:
        """What it printed to its end, and its exit status."""
        out, _ = self.process.communicate(timeout=120)
        return out, self.process.returncode


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def up(workspace: Workspace, tmp_path: Path) -> Iterator[Started]:
    """Two services that run."""
    started = Started(workspace, tmp_path, "slow", "slow")
    yield started
    started.kill()


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_in_order(kind: signal.Signals, up: Started, workspace: Workspace) -> None:
    services = up.until_ready()
    known = record.running(workspace)
    assert known is not None
    assert (known.process.number, known.ready, len(known.keepers)) == (up.process.pid, True, 2)
    assert known.links == {f"service-{n} server": f"http://127.0.0.1:{port}" for n, port in enumerate(up.ports)}
    up.process.send_signal(kind)
    assert up.end() == ("ended\n", 0)
    assert alive(services) == []
    assert not any(keeper.alive for keeper in known.keepers)
    assert (record.last(workspace), holder(workspace.services_lock)) == (None, None)


def test_another_process_can_end_it(up: Started, workspace: Workspace) -> None:
    services = up.until_ready()
    assert record.end(workspace, 60)
    assert alive(services) == []
    assert up.end() == ("ended\n", 0)
    assert not record.end(workspace, 60), "nothing runs any more"


def test_killed_it_leaves_nothing_and_can_be_started_again_at_once(
    up: Started, workspace: Workspace, tmp_path: Path
) -> None:
    services = up.until_ready()
    up.kill()
    again = Started(workspace, tmp_path, "slow", port=up.ports[0])
    [service] = again.until_ready()
    assert alive(services) == []
    assert service not in services
    assert record.end(workspace, 60)
    assert again.end() == ("ended\n", 0)


def test_killed_services_are_ended_by_down_too(up: Started, workspace: Workspace) -> None:
    """It waits for the keepers, so that the ports are free when it returns."""
    services = up.until_ready()
    up.kill()
    assert not record.end(workspace, 60)
    assert alive(services) == []


@pytest.fixture
def orphan(workspace: Workspace, tmp_path: Path) -> Iterator[int]:
    """A process that was left when `rounds up` and its keepers were killed at once."""
    started = Started(workspace, tmp_path, "parent", "slow")
    services = started.until_ready()
    known = record.running(workspace)
    assert known is not None
    killed = [started.process.pid, *(keeper.number for keeper in known.keepers)]
    for kind in (signal.SIGSTOP, signal.SIGKILL):  # stopped, none can notice that another one ends
        for number in killed:
            os.kill(number, kind)
    started.kill()
    until(lambda: not runs(services), "the services end with their keepers")
    child = int((tmp_path / f"{started.ports[0]}.child").read_text())
    assert runs([child]) == [child]
    yield child
    for number in runs([child]):
        os.kill(number, signal.SIGKILL)


def runs(processes: list[int]) -> list[int]:
    """Those that run; one that has ended may wait for its parent for long."""
    return [number for number in processes if psutil.pid_exists(number) and psutil.Process(number).status() != "zombie"]


@pytest.fixture
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    """A process of another session."""
    env = orphans.marked(os.environ, orphans.new_mark())
    with subprocess.Popen(["sleep", "600"], env=env) as process:
        yield process
        process.kill()


def test_what_was_left_when_keepers_were_killed_too_is_ended_by_down(
    orphan: int, stranger: "subprocess.Popen[bytes]", workspace: Workspace
) -> None:
    assert record.end(workspace, 60)
    assert runs([orphan]) == []
    assert not record.end(workspace, 60), "nothing is left"
    assert stranger.poll() is None


def test_what_was_left_when_keepers_were_killed_too_is_ended_by_the_next_start(
    orphan: int, stranger: "subprocess.Popen[bytes]", workspace: Workspace, tmp_path: Path
) -> None:
    again = Started(workspace, tmp_path, "slow")
    again.until_ready()
    assert runs([orphan]) == []
    assert stranger.poll() is None
    known = record.running(workspace)
    assert known is not None
    assert len(known.marks) == 1
    assert record.end(workspace, 60)
    assert again.end() == ("ended\n", 0)


def test_a_second_one_is_refused_and_the_first_stays(up: Started, workspace: Workspace, tmp_path: Path) -> None:
    services = up.until_ready()
    out, status = Started(workspace, tmp_path, "slow").end()
    assert (out.partition(" (process ")[0], status) == ("RoundBusy: rounds up", 2)
    assert alive(services) == services
    known = record.running(workspace)
    assert known is not None
    assert known.process.number == up.process.pid


def test_a_dead_service_ends_the_others(up: Started, workspace: Workspace) -> None:
    services = up.until_ready()
    os.kill(services[0], signal.SIGKILL)
    out, status = up.end()
    assert out.startswith("ServiceFailed: the service-0 server ended with exit status 137; correct what its log says")
    assert (status, alive(services), record.last(workspace)) == (2, [], None)


def test_what_a_killed_keeper_leaves_is_ended_too(up: Started, workspace: Workspace) -> None:
    services = up.until_ready()
    known = record.running(workspace)
    assert known is not None
    os.kill(known.keepers[1].number, signal.SIGKILL)
    out, status = up.end()
    assert out.startswith("ServiceFailed: the service-1 server ended with exit status -9; ")
    assert (status, alive(services)) == (2, [])


def test_a_port_in_use_is_found_before_anything_starts(workspace: Workspace, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        out, status = Started(workspace, tmp_path, "slow", port=port).end()
    assert status == 2
    assert out.startswith("PortTaken: ")
    assert f"\n    port {port} of the service-0 server is in use by process " in out
    assert not workspace.services_logs.exists()


def test_a_record_of_a_process_number_that_another_process_has_now_is_not_believed(
    up: Started, workspace: Workspace
) -> None:
    """The lock is held by a process that the record does not name: nobody is signalled."""
    up.until_ready()
    known = record.running(workspace)
    assert known is not None
    with subprocess.Popen(["sleep", "600"]) as stranger:
        other = record.ProcessId(number=stranger.pid, started=known.process.started)
        record.write(workspace, known.model_copy(update={"process": other}))
        with pytest.raises(record.NotEnding, match="on another machine or in another container"):
            record.end(workspace, 5)
        assert stranger.poll() is None
        stranger.kill()
    assert up.process.poll() is None
