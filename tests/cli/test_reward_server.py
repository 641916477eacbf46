"""Rounds whose policy is trained on the scores of a server, which is odd, fails, changes, and is asked again."""

import re
from pathlib import Path

import pytest

from tasks.state import records
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words
from tests.models.grading import Grader, grading
from tests.profile import HOLD, TINY
from tests.workspaces import moved, settle

pytestmark = pytest.mark.rounds


@cures(
    "models.reward_server.RewardServer.probe: -S policy.reward.deterministic=false",
    "models.reward_server.RewardServer._answer: rounds round",
    "models.reward_server.RewardServerSettings.check: rounds round --reopen",
)
@pytest.mark.usefixtures("prefect")
def test_a_server_that_is_odd_then_fails_then_changes(rounds: Rounds, finished: Workspace, tmp_path: Path) -> None:
    grader = Grader(scores=lambda answers: [len(answer) + place for place, answer in enumerate(answers)])

    def falls_asleep(answers: list[str]) -> float:
        if len(grader.posts) == before + 3:  # when the round opened, before training, and once in training
            grader.failures += [(503, "the judge is asleep")] * 99
        return 0.0

    with grading(grader):
        server = f"{{use: http, url: {grader.url}, attempts: 2, pause: 0.01, weight: 0.02}}"
        workspace = settle(moved(finished, tmp_path / "graded"), *TINY, HOLD, f"policy.reward={server}")
        odd = rounds("round", "--new", "-w", workspace.root)
        assert (odd.code, "in reverse order got other scores" in odd.err) == (2, True), odd
        assert not records.unfinished(workspace), "it was refused before a round opened"
        grader.delay, before = falls_asleep, len(grader.posts)
        override = re.search(r"-S (policy\.reward\.deterministic=false)", odd.err)
        assert override
        failed = rounds("round", "--new", "-w", workspace.root, "-S", override[1])
        assert failed.code != 0
        assert "step policy" in failed.err, failed
        assert "the reward server failed 2 times, the last time with status 503 and the text 'the judge" in failed.err
        grader.failures.clear()
        grader.states = '{"name": "length", "version": 2}'
        other = rounds(*words(failed.err, "rounds round")[1:])
        assert 'states {"name": "length", "version": 2}, expected {"name": "length", "version": 1}' in other.err, other
        grader.scores = lambda answers: [len(answer) for answer in answers]
        done = rounds(*words(other.err, "rounds round --reopen")[1:])
        assert done.code == 0, done
        number = records.numbers(workspace)[-1]
        recorded = records.read(workspace, number).inputs.params["policy"]["reward"]
        assert (recorded["url"], recorded["states"]) == (grader.url, grader.states)
        again = rounds("replay", number, "--into", tmp_path / "replayed", "-w", workspace.root)
        assert again.code == 0, again
        assert f"the step policy are those that this server gives now: {grader.url}, which stated" in again.out
        assert "Identical" in again.out
