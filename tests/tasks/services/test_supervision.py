"""Services that are started in order, watched and ended: small HTTP programs in place of the real ones."""

import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Timer

import pytest

import tasks.services.service
from tasks.services import supervision
from tasks.services.service import Service, StateProbe
from tasks.services.supervision import ServiceFailed, Stopped, Supervisor, stopping
from tasks.state.lock import holder, holding
from tests.core.kept import alive, until
from tests.tasks.services.small import process, service

SAYS = "import os, sys; print(os.environ['GREETING']); sys.exit(int(sys.argv[1]))"


def supervisor(folder: Path, stop: Event | None = None) -> Supervisor:
    return Supervisor(lambda name: folder / "logs" / f"{name}.log", stop or Event())


def test_services_start_one_after_another_and_end_in_the_other_order(tmp_path: Path) -> None:
    first, second = service(tmp_path, "first"), service(tmp_path, "second")
    started: list[int] = []
    host = Supervisor(lambda name: tmp_path / f"{name}.log", Event(), lambda: started.append(len(host.keepers)))
    host.start(first)
    assert first.ready.answered()
    host.start(second)
    assert second.ready.answered()
    kept = [*host.keepers, process(tmp_path, first), process(tmp_path, second)]
    assert (alive(kept), started) == (kept, [1, 2])
    assert [os.getsid(number) for number in host.keepers] == host.keepers, "Ctrl-C in a terminal reaches none of them"
    host.end()
    assert (alive(kept), host.keepers) == ([], [])
    assert (tmp_path / "second.log").read_text().splitlines()[-1] == f"listens on {second.port}"


@pytest.mark.parametrize("moment", ["while it starts", "later"])
def test_a_service_that_ends_is_named_with_the_end_of_its_log(moment: str, tmp_path: Path) -> None:
    host, fine = supervisor(tmp_path), service(tmp_path, "fine")
    bad = service(tmp_path, "bad", "fails" if moment == "while it starts" else "slow")
    host.start(fine)

    def goes_on() -> None:
        host.start(bad)
        os.kill(process(tmp_path, bad), signal.SIGKILL)
        host.watch()

    with pytest.raises(ServiceFailed) as caught:
        goes_on()
    status = 4 if moment == "while it starts" else 128 + 9
    begin, *lines = str(caught.value).splitlines()
    log = tmp_path / "logs/bad.log"
    assert begin == (
        f"the bad server ended with exit status {status}; correct what its log says, then start again: {log}"
    )
    said = ["the disk is on fire"] if moment == "while it starts" else []
    assert [line.strip() for line in lines][1:] == [f"listens on {bad.port}", *said]
    host.end()
    assert alive([process(tmp_path, fine)]) == []


def test_another_service_that_ends_while_one_starts(tmp_path: Path) -> None:
    host, first = supervisor(tmp_path), service(tmp_path, "first")
    host.start(first)
    os.kill(process(tmp_path, first), signal.SIGTERM)
    with pytest.raises(ServiceFailed, match=f"the first server ended with exit status {128 + 15}; "):
        host.start(service(tmp_path, "second", "silent"))
    host.end()


def test_a_service_that_does_not_answer_in_time(tmp_path: Path) -> None:
    host, silent = supervisor(tmp_path), service(tmp_path, "silent", "silent", limit=1.5)
    with pytest.raises(ServiceFailed, match=f"did not answer at http://127.0.0.1:{silent.port}/health within 2 s"):
        host.start(silent)
    host.end()


def test_the_command_that_follows_a_service(tmp_path: Path) -> None:
    env = {**os.environ, "GREETING": "good morning"}
    host, fine = supervisor(tmp_path), service(tmp_path, "fine", env=env, then=(sys.executable, "-c", SAYS, "0"))
    host.start(fine)
    assert (tmp_path / "logs/fine-settings.log").read_text().splitlines()[-1] == "good morning"
    bad = replace(service(tmp_path, "bad", env=env), then=(sys.executable, "-c", SAYS, "1"))
    with pytest.raises(ServiceFailed, match=r"the settings of the bad server were not applied; correct .*\n.*\n *good"):
        host.start(bad)
    assert len(host.keepers) == 2
    host.end()


def test_a_service_that_creates_what_others_could_create_holds_the_lock_until_it_answers(tmp_path: Path) -> None:
    lock, seen = tmp_path / "lock", []
    first = service(tmp_path, "first", lock=lock)
    host = Supervisor(lambda name: tmp_path / f"{name}.log", Event(), lambda: seen.append(holder(lock)))
    host.start(first)
    assert seen == [f"the first start of the first server (process {os.getpid()})"]
    assert holder(lock) is None
    host.end()


def test_services_that_answer_and_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "SETTLING", 0.5)
    host, services = supervisor(tmp_path), [with_state(tmp_path, manner) for manner in ("slow", "poor")]
    for each in services:
        host.start(each)
    assert host.problems([*services, service(tmp_path, "unasked")]) == {"poor server": "it is full; free some space"}
    host.end()


def with_state(folder: Path, manner: str) -> Service:
    small = service(folder, manner, manner)
    return replace(small, state=StateProbe(f"{small.link}/state", "database"))


def test_a_stop_does_not_wait_for_a_service_that_accepts_and_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.services.service, "PATIENCE", 300.0)
    stop, mute = Event(), service(tmp_path, "mute", "mute")
    host = supervisor(tmp_path, stop)
    Timer(1.0, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        host.start(mute)
    assert time.monotonic() - began < 200
    host.end()


def test_a_stop_does_not_wait_for_a_lock(tmp_path: Path) -> None:
    stop, lock = Event(), tmp_path / "lock"
    host = supervisor(tmp_path, stop)
    Timer(0.3, stop.set).start()
    with holding(lock, "somebody"), pytest.raises(Stopped):
        host.start(service(tmp_path, "first", lock=lock))
    assert host.keepers == []


def test_after_a_stop_no_service_is_started(tmp_path: Path) -> None:
    stop = Event()
    host = supervisor(tmp_path, stop)
    stop.set()
    with pytest.raises(Stopped):
        host.start(service(tmp_path, "first"))
    assert (host.keepers, (tmp_path / "logs").exists()) == ([], False)


def test_ending_is_possible_while_a_service_starts(tmp_path: Path) -> None:
    stop = Event()
    host, silent = supervisor(tmp_path, stop), service(tmp_path, "silent", "silent")
    Timer(0.3, stop.set).start()
    with pytest.raises(Stopped):
        host.start(silent)
    host.watch()
    host.end()
    assert host.keepers == []


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_to_end(kind: signal.Signals) -> None:
    before = signal.signal(kind, signal.default_int_handler)  # the tests may have been started to ignore it
    with stopping() as stop:
        os.kill(os.getpid(), kind)
        until(stop.is_set, "the signal has arrived")
    assert signal.getsignal(kind) is signal.default_int_handler
    signal.signal(kind, before)


def test_a_signal_that_the_shell_ignores_is_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with suppress(KeyboardInterrupt), stopping() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stop.is_set()
    signal.signal(signal.SIGHUP, before)
