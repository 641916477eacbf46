"""What DVC says of a finished round, by its own command line, and what it runs again where a knob changed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from core.files import digest
from models import compute
from tasks import steps
from tasks.rounds import opening
from tasks.state.lock import holding
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.steps import BOOTSTRAP, STEPS
from tasks.state.workspace import PROJECT, Workspace
from tests.profile import TINY
from tests.workspaces import moved

pytestmark = pytest.mark.rounds


def dvc(workspace: Workspace, *words: str) -> str:
    """The output of `dvc …`, typed in the workspace."""
    here = Path(sys.executable).parent
    surroundings = {**os.environ, "PATH": f"{here}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words], cwd=workspace.root, env=surroundings, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def skipped(output: str) -> list[str]:
    """The stages that did not change. A frozen one says so a second time."""
    return list(dict.fromkeys(re.findall(r"Stage '(\w+)' didn't change, skipping", output)))


def run(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


def change(workspace: Workspace, section: str, knob: str, value: object) -> None:
    """Another value for a frozen knob, as somebody would who replays a round with it."""
    inputs = yaml.safe_load(workspace.round.read_text())
    inputs["params"][section][knob] = value
    workspace.round.write_text(yaml.safe_dump(inputs, sort_keys=False))


def test_a_finished_round_is_up_to_date(followed: Workspace) -> None:
    assert "up to date" in dvc(followed, "status")
    output = dvc(followed, "repro", "--dry")
    assert (sorted(skipped(output)), run(output)) == (sorted(STEPS), [])


@pytest.mark.parametrize(("section", "knob", "value"), [("policy", "clip", 0.1), ("curate", "criterion", "polite")])
def test_a_changed_knob_makes_its_own_step_stale(
    followed: Workspace, tmp_path: Path, section: str, knob: str, value: object
) -> None:
    workspace = moved(followed, tmp_path / "copy")
    change(workspace, section, knob, value)
    output = dvc(workspace, "repro", "--dry")
    earlier = STEPS[: STEPS.index(section)]
    assert run(output)[0] == section
    assert set(earlier) <= set(skipped(output))


def test_repro_runs_the_changed_step_and_what_follows_and_leaves_the_registry_alone(
    followed: Workspace, tmp_path: Path
) -> None:
    workspace = moved(followed, tmp_path / "copy")
    registry, policy = digest(workspace.root / "mlflow.db"), digest(workspace.checkpoint("policy"))
    report = workspace.report("drift").read_text()
    change(workspace, "drift", "bins", 3)
    output = dvc(workspace, "repro")
    assert run(output) == ["drift", "verdict"]
    assert workspace.report("drift").read_text() != report
    assert (digest(workspace.root / "mlflow.db"), digest(workspace.checkpoint("policy"))) == (registry, policy)
    assert "up to date" in dvc(workspace, "status")


def test_a_round_that_goes_on_on_another_processor_repeats_no_step(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def execute(step: steps.Step, round: Round, log: StepLog) -> None:
        ran.append(step.__name__)
        steps.run(step, round, log)

    for fast_in_bfloat16 in (False, True):
        monkeypatch.setattr(compute, "_fast_in_bfloat16", lambda fast=fast_in_bfloat16: fast)
        with holding(workspace.lock, "a round"):
            running = opening.start(workspace, [*TINY, "model.dtype=auto"], execute)
            for name in BOOTSTRAP:
                running(steps.find(name))
        assert ran == list(BOOTSTRAP)
        assert running.round.values["model"]["dtype"] == "float32"
