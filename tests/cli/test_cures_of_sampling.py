"""The cures of a server that cannot sample, typed as they are printed."""

from pathlib import Path

import pytest

from models.vllm_server import free_port
from tasks.state import sampler
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures
from tests.tasks.rounds.bases import LIMITS, saved

ENGINE, ADAPTER = "sampler.engine=vllm", "model.adapter={rank: 2}"


def plan(rounds: Rounds, workspace: Workspace, *overrides: str) -> str:
    """What `rounds plan` prints as an error; empty without one."""
    return rounds("plan", "-w", workspace.root, *(word for each in overrides for word in ("-S", each))).err


@cures(
    "tasks.state.sampler.check: -S sampler.engine=local",
    "tasks.state.sampler.check_server: -S sampler.engine=local",
    "models.vllm_server.check_installed: -S sampler.engine=local",
)
def test_a_server_that_cannot_sample(
    rounds: Rounds, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampler, "PYTHON", tmp_path / "none/bin/python")
    assert "set -S sampler.engine=local" in plan(rounds, workspace, ENGINE)
    assert plan(rounds, workspace, "sampler.engine=local") == ""
    adapted = [
        f"model.base={saved(tmp_path / 'base')}",
        ADAPTER,
        *(f"model.{name}={it}" for name, it in LIMITS.items()),
    ]
    missing = plan(rounds, workspace, *adapted, ENGINE, "policy.launch.processes=2")
    assert "install it with `make vllm`" in missing
    assert "set -S sampler.engine=local" in missing
    url = f"sampler.vllm.url=http://127.0.0.1:{free_port()}"
    assert "set -S sampler.engine=local" in plan(rounds, workspace, *adapted, ENGINE, url)
    assert plan(rounds, workspace, *adapted, "sampler.engine=local") == ""
