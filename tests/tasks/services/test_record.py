"""Who runs the services of a workspace; tests/tasks/services/test_session.py has processes that do."""

import os
import subprocess
from pathlib import Path

import pytest

from tasks.services import record
from tasks.services.record import NotEnding, ProcessId, RunningServices
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tests.cures import cures, words


def known(process: ProcessId, *keepers: ProcessId) -> RunningServices:
    return RunningServices(process=process, keepers=keepers, ready=True, links={}, exports={}, postgresql=False)


def test_a_process_is_told_from_a_later_one_with_its_number() -> None:
    own = record.process_id(os.getpid())
    assert own.alive
    assert not own.model_copy(update={"started": own.started + 1}).alive
    with subprocess.Popen(["sleep", "600"]) as child:
        other = record.process_id(child.pid)
        assert other.alive
        child.kill()
        child.wait()
        assert not other.alive


def test_a_record_without_its_lock_says_that_nothing_runs(tmp_path: Path) -> None:
    workspace, own = Workspace(tmp_path), record.process_id(os.getpid())
    record.write(workspace, known(own))
    assert record.last(workspace) == known(own)
    assert record.running(workspace) is None
    with holding(workspace.services_lock, "rounds up"):
        assert record.running(workspace) == known(own)
    assert not record.end(workspace, 5)
    record.forget(workspace)
    assert record.last(workspace) is None


def test_a_damaged_record_is_none(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.services.mkdir(parents=True)
    workspace.services_record.write_text("{")
    assert record.last(workspace) is None


def test_one_that_has_only_just_been_started_is_not_ended(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with (
        holding(workspace.services_lock, "rounds up"),
        pytest.raises(NotEnding, match=f"rounds up .process {os.getpid()}. has only just been started; try again"),
    ):
        record.end(workspace, 5)


def test_keepers_that_do_not_end_in_time(tmp_path: Path) -> None:
    workspace, own = Workspace(tmp_path), record.process_id(os.getpid())
    assert not record.wait_for_keepers(known(own, own), 0.2)
    gone = own.model_copy(update={"started": 1})
    assert record.wait_for_keepers(known(own, gone), 60)
    with subprocess.Popen(["sleep", "600"]) as child:
        keeper = record.process_id(child.pid)
        record.write(workspace, known(gone, gone, keeper))
        with pytest.raises(NotEnding, match=f"have not ended within 0 s; run `kill -9 {child.pid}`, which kills"):
            record.end(workspace, 0.2)
        child.kill()


@cures("tasks.services.record._check_released: rounds down")
def test_only_the_process_that_was_asked_is_named_as_one_to_kill(tmp_path: Path) -> None:
    """Its number may be another process's by now; then the services were started again meanwhile."""
    workspace, own = Workspace(tmp_path), record.process_id(os.getpid())
    record._check_released(workspace, known(own), 0.2)
    gone = own.model_copy(update={"started": 1})
    with holding(workspace.services_lock, "rounds up"):
        with pytest.raises(NotEnding, match=f"; run `kill -9 {own.number}`"):
            record._check_released(workspace, known(own), 0.2)
        with pytest.raises(NotEnding, match=r"has started the services of .* meanwhile; type ") as caught:
            record._check_released(workspace, known(gone), 0.2)
    assert "kill" not in str(caught.value)
    assert words(str(caught.value), "rounds down") == ["rounds", "down"]
