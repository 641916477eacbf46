"""Servers that die while a round runs: the round continues, or fails with a cure and can be resumed."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from tasks.state import records
from tasks.state.workspace import Workspace
from tests.flows.killer import DONE, FAILED, killer
from tests.flows.killing import failure
from tests.profile import PROMOTE, TINY
from tests.services.programs import BIN, eventually, free_port, running, surroundings
from tests.services.site import answers, mlflow
from tests.workspaces import Furnish, outcome

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

ROUND = [str(BIN / "python"), "-m", "cli", "round", *(word for knob in (*TINY, PROMOTE) for word in ("-S", knob))]


def without_files(workspace: Workspace) -> dict[str, Any]:
    """How the rounds ended. A server keeps its files in other folders than a database does."""
    return {name: value for name, value in outcome(workspace).items() if name != "files"}


@pytest.fixture(scope="module")
def undisturbed(furnish: Furnish, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """How rounds 0 and 1 end where no server has a part in it."""
    workspace = furnish(tmp_path_factory.mktemp("undisturbed") / "workspace")
    with killer(surroundings()) as run:
        assert (run(workspace, "never"), run(workspace, "never")) == (DONE, DONE)
    return without_files(workspace)


def there(path: Path, logs: Path) -> None:
    """Return as soon as a file is there."""
    eventually(lambda: path.exists() or None, str(path), logs, within=240, every=0.02)


@pytest.mark.services
def test_an_mlflow_server_that_dies_twice_in_a_round(
    furnish: Furnish, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """While it is away the steps go on; the closing waits for it, and sends what it has missed."""
    workspace, port = furnish(tmp_path / "workspace"), free_port()
    with killer(surroundings(MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}")) as run:
        with mlflow(workspace, port, tmp_path) as server:
            assert run(workspace, "never") == DONE
            run.start(workspace, "never")
            there(workspace.metrics / "reward.jsonl", tmp_path)
            os.killpg(server.pid, signal.SIGKILL)
        there(workspace.metrics / "policy.jsonl", tmp_path)
        with mlflow(workspace, port, tmp_path) as server:
            there(workspace.report("drift"), tmp_path)
            os.killpg(server.pid, signal.SIGKILL)
        assert run.wait() == FAILED
        message = failure(workspace).read_text()
        assert message.startswith("StepFailed: round 1, closing: MlflowException: "), message
        assert message.endswith("continue with `rounds round`."), message
        assert records.numbers(workspace) == [0]
        assert run(workspace, "never") == FAILED
        assert (
            f"NoTracking: http://127.0.0.1:{port}: MLflow does not answer; start it" in failure(workspace).read_text()
        )
        with mlflow(workspace, port, tmp_path):
            assert run(workspace, "never") == DONE
    assert without_files(workspace) == undisturbed


def same_weights(workspace: Workspace, undisturbed: dict[str, Any]) -> None:
    ended = without_files(workspace)
    for what in ("runs", "weights", "versions", "champion", "moves", "data"):
        assert ended[what] == undisturbed[what], what


def test_the_commands_own_prefect_server_dies(furnish: Furnish, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    workspace = furnish(tmp_path / "workspace")
    env = surroundings(PREFECT_HOME=str(tmp_path / "prefect"))
    with subprocess.Popen([*ROUND, "-w", str(workspace.root)], env=env, text=True, stdout=subprocess.PIPE) as command:
        there(workspace.metrics / "reward.jsonl", tmp_path)
        [server] = [
            child for child in psutil.Process(command.pid).children() if "flows.orchestration.server" in child.cmdline()
        ]
        server.kill()
        message = command.communicate()[0]
    assert command.returncode == 0, message
    assert "The Prefect server went away" in message
    assert "Round 1: promote" in message
    same_weights(workspace, undisturbed)


def test_a_killed_command_leaves_no_server_and_goes_on(
    furnish: Furnish, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    workspace = furnish(tmp_path / "workspace")
    env = surroundings(PREFECT_HOME=str(tmp_path / "prefect"))
    with subprocess.Popen([*ROUND, "-w", str(workspace.root)], env=env, stdout=subprocess.DEVNULL) as command:
        there(workspace.metrics / "policy.jsonl", tmp_path)
        children = psutil.Process(command.pid).children(recursive=True)
        command.kill()
    assert children
    assert psutil.wait_procs(children, timeout=30)[1] == []
    done = subprocess.run([*ROUND, "-w", str(workspace.root)], env=env, text=True, capture_output=True, check=True)
    assert "Round 1: promote" in done.stdout
    same_weights(workspace, undisturbed)


def test_a_configured_prefect_server_dies(furnish: Furnish, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    """The round ends all the same, or says that the server does not answer; without it, the round goes on."""
    workspace, port = furnish(tmp_path / "workspace"), free_port()
    env = surroundings(
        PREFECT_HOME=str(tmp_path / "prefect"),
        PREFECT_API_URL=f"http://127.0.0.1:{port}/api",
        PREFECT_CLIENT_MAX_RETRIES="1",
    )
    serve = [str(BIN / "prefect"), "server", "start", "--port", str(port)]
    with running("prefect", serve, env, tmp_path) as server:
        eventually(lambda: answers(f"http://127.0.0.1:{port}/api/health"), "the Prefect server", tmp_path)
        with subprocess.Popen(
            [*ROUND, "-w", str(workspace.root)], env=env, text=True, stdout=subprocess.PIPE
        ) as command:
            there(workspace.metrics / "reward.jsonl", tmp_path)
            os.killpg(server.pid, signal.SIGKILL)
            message = command.communicate()[0]
    assert command.returncode == 0, message
    assert "The Prefect server went away" in message
    same_weights(workspace, undisturbed)
    # and where it is away from the beginning
    done = subprocess.run(
        [*ROUND, "--new", "-w", str(workspace.root)], env=env, text=True, capture_output=True, check=False
    )
    assert (done.returncode, f"the Prefect server at http://127.0.0.1:{port}/api" in done.stderr) == (2, True), (
        done.stderr
    )
    assert "Traceback" not in done.stderr
    assert not records.unfinished(workspace)


@pytest.mark.services
def test_of_two_rounds_started_at_once_one_runs_and_the_other_names_it(
    furnish: Furnish, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    workspace = furnish(tmp_path / "workspace")
    env = surroundings(PREFECT_HOME=str(tmp_path / "prefect"))
    command = [*ROUND, "-w", str(workspace.root)]
    pipes: dict[str, Any] = {"env": env, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as first, subprocess.Popen(command, **pipes) as second:
        waiting = subprocess.Popen([*command, "--wait", "600"], **pipes)
        ends = {process.pid: (process.communicate(), process.returncode) for process in (first, second)}
        patient = waiting.communicate()[0]
    codes = sorted(code for _, code in ends.values())
    assert (codes, waiting.returncode) in (([0, 2], 0), ([2, 2], 0)), (ends, patient)
    for (_, err), code in ends.values():
        assert (code == 2) == ("RoundBusy: round 0 (process " in err), err
    assert "Round 1: promote" in patient
    same_weights(workspace, undisturbed)  # and there is no round 2: whoever waited found the answer
