import time

import pytest

from models import token_counts
from models.machine import peak_memory, resident_memory
from tasks.rounds import metering
from tasks.rounds.metering import UsageMeter, processor_time
from tasks.state import usage
from tasks.state.steplog import StepLog
from tasks.state.usage import StepUsage
from tasks.state.workspace import Workspace


def test_a_step_that_continues_adds_to_what_its_killed_attempt_used(workspace: Workspace) -> None:
    killed = StepUsage(wall=100.0, cpu=50.0, gpu=10.0, sampled=1000, trained=2000, memory=2**60, gpu_memory=7)
    usage.note(workspace, "policy", killed)
    meter = UsageMeter(workspace, "policy", StepLog())
    token_counts.count_sampled(30)
    token_counts.count_trained(40)
    meter.note()
    used = usage.read(workspace)["policy"]
    assert (used.sampled, used.trained, used.memory, used.gpu_memory) == (1030, 2040, 2**60, 7)
    assert 100.0 < used.wall < 160.0
    assert 50.0 <= used.cpu < 110.0


def test_a_report_stores_what_was_used_so_that_a_kill_loses_only_seconds(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metering, "EVERY", 0.0)
    log = StepLog()
    log.add(UsageMeter(workspace, "sft", log))
    token_counts.count_trained(5)
    log({}, 0, 2)
    assert usage.read(workspace)["sft"].trained == 5


def test_between_two_writes_reports_only_look_at_the_memory(workspace: Workspace) -> None:
    log = StepLog()
    log.add(UsageMeter(workspace, "sft", log))
    before = workspace.usage.read_bytes()
    log({}, 0, 2)
    assert workspace.usage.read_bytes() == before


def test_an_attempt_counts_from_its_own_beginning(workspace: Workspace) -> None:
    token_counts.count_sampled(99)
    meter = UsageMeter(workspace, "sample", StepLog())
    meter.note()
    assert usage.read(workspace)["sample"].sampled == 0


def test_a_full_disk_does_not_stop_the_step(workspace: Workspace) -> None:
    meter = UsageMeter(workspace, "sft", StepLog())
    workspace.usage.unlink()
    workspace.usage.mkdir()  # cannot be read or replaced
    meter.note()


def test_a_working_process_uses_processor_time_and_memory() -> None:
    before, until = processor_time(), time.perf_counter() + 0.1
    while time.perf_counter() < until:
        pass
    assert processor_time() > before
    block = bytearray(64_000_000)
    block[::4096] = b"x" * len(block[::4096])
    assert peak_memory() >= resident_memory() > 64_000_000
    del block


def test_learning_counts_while_it_goes_on() -> None:
    log = StepLog()
    with log.learning():
        time.sleep(0.02)
        assert log.learning_seconds >= 0.02
    done = log.learning_seconds
    time.sleep(0.01)
    assert log.learning_seconds == done
