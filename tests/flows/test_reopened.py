"""A dropped round leaves answers and votes behind; the reopened round uses only its own."""

import os
from pathlib import Path

import pytest

from core.files import digest
from flows.round import improve
from tasks.rounds import opening
from tasks.rounds.running import RunningRound
from tasks.state import records
from tasks.state.workspace import Workspace
from tasks.steps.collect import collect
from tasks.steps.curate import curate
from tasks.steps.ingest import ingest
from tasks.steps.policy import policy
from tasks.steps.reward import reward
from tasks.steps.sample import sample
from tasks.steps.sft import sft
from tests.flows.killer import KILLED, killer
from tests.profile import HOLD, TINY
from tests.workspaces import moved

pytestmark = pytest.mark.rounds

KNOBS = [*TINY, HOLD]
OTHERS = [*KNOBS, "policy.steps=2"]


def sampled(running: RunningRound) -> None:
    """The round, until candidate and champion have answered."""
    for step in (collect, ingest, curate, sft, reward, policy, sample):
        running(step)


@pytest.fixture(scope="module")
def dropped(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The workspace with a round 2 of other knobs, which got as far as its samples. To be read."""
    workspace = moved(finished, tmp_path_factory.mktemp("dropped") / "workspace")
    sampled(opening.start(workspace, OTHERS))
    opening.drop(workspace)
    assert digest(workspace.samples) != digest(finished.samples)
    return workspace


def test_it_is_compared_with_the_round_that_finished(
    dropped: Workspace, finished: Workspace, followed: Workspace, tmp_path: Path
) -> None:
    workspace = moved(dropped, tmp_path / "copy")
    improve(opening.start(workspace, KNOBS))
    assert digest(workspace.previous / "samples") == digest(finished.samples)
    numbers, undisturbed = records.metrics(workspace, 2), records.metrics(followed, 2)
    drift = [name for name in undisturbed if name.startswith("drift/")]
    assert {"drift/reward_psi", "drift/reward_wasserstein"} <= set(drift)
    assert [numbers[name] for name in drift] == [undisturbed[name] for name in drift]


def test_dropped_before_it_answered_and_dropped_twice(continued: Workspace, finished: Workspace) -> None:
    for _ in range(3):
        opening.start(continued, OTHERS)
        assert digest(continued.previous / "samples") == digest(finished.samples)
        opening.drop(continued)


def test_samples_that_are_not_the_last_rounds_are_left_out(dropped: Workspace, tmp_path: Path) -> None:
    workspace = moved(dropped, tmp_path / "copy")
    (workspace.previous / "samples" / "pairs.jsonl").unlink()
    opening.start(workspace, KNOBS)
    assert not (workspace.previous / "samples").exists()


def test_killed_while_it_is_opened_anew(dropped: Workspace, finished: Workspace, tmp_path: Path) -> None:
    workspace = moved(dropped, tmp_path / "copy")
    with killer(os.environ) as end:
        moments = ("onto data/previous", "past data/previous", "onto data/round.yaml")
        assert [end(workspace, moment) for moment in moments] == [KILLED] * 3
    opening.start(workspace, KNOBS)
    assert digest(workspace.previous / "samples") == digest(finished.samples)
