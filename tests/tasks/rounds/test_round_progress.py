"""The open round, as its files tell: a workspace made by hand, with times that can be added up in the head."""

import pytest

from evaluation.verdict import Verdict
from tasks.people import waiting
from tasks.people.waiting import Candidate
from tasks.rounds import round_progress
from tasks.rounds.round_progress import expected_seconds
from tasks.state import records, usage
from tasks.state import round as rounds
from tasks.state.lock import holding
from tasks.state.reports import note_time
from tasks.state.steps import STEPS
from tasks.state.usage import StepUsage
from tasks.state.workspace import Workspace
from tests.tasks.rounds.open_round import NOW, began, opened, timed
from tests.tasks.state.recorded import record

ONE = timed(1, **dict.fromkeys(STEPS, 10.0))
TWO = timed(2, **{**dict.fromkeys(STEPS, 20.0), "policy": 100.0})
THREE = timed(3, **{step: 30.0 for step in STEPS if step != "sft"})


def test_a_step_is_expected_to_take_the_median_of_the_last_rounds() -> None:
    expected = expected_seconds([timed(0, collect=999.0), ONE, TWO, THREE])
    assert (expected["collect"], expected["policy"], expected["sft"]) == (20.0, 30.0, 15.0)


def test_a_step_that_was_always_skipped_takes_no_time() -> None:
    assert expected_seconds([THREE])["sft"] == 0.0


def test_without_a_whole_round_nothing_is_expected() -> None:
    assert expected_seconds([timed(0, collect=1.0)]) == expected_seconds([]) == {}


def test_only_the_last_five_rounds_count() -> None:
    assert expected_seconds([TWO, *[ONE] * 5])["policy"] == 10.0


def test_no_round_is_open(workspace: Workspace) -> None:
    assert round_progress.read(workspace, NOW) is None
    opened(workspace, 1)
    records.write(workspace, record(1, "2", Verdict()))
    assert round_progress.read(workspace, NOW) is None


def test_a_round_runs_with_its_step_and_its_expected_end(workspace: Workspace) -> None:
    opened(workspace, 4)
    for step in STEPS[: STEPS.index("policy")]:
        began(workspace, step, 1.0)
        note_time(rounds.read(workspace), step, 1.0, 0.0)
    reported = began(workspace, "policy", 40.0, seconds_ago=2.0)
    reported.add({"policy/objective/kl": 0.5, "policy/objective/score": 1.25, "policy/loss": 9.0}, 2, 8)
    with holding(workspace.lock, "round 4"):
        progress = round_progress.read(workspace, NOW, [TWO])
    assert progress is not None
    assert (progress.number, progress.activity, progress.wait) == (4, "runs", "")
    assert (progress.done, progress.steps) == (5, 11)
    running = progress.step
    assert running is not None
    assert (running.name, running.ended, running.part, running.expected) == ("policy", False, (3, 8), 100.0)
    assert running.numbers == "score 1.25  kl 0.5"
    assert running.seconds == pytest.approx(42.0, abs=0.01)
    # 58 s of the policy, and 20 s of each of sample, vote, evaluate, drift and verdict
    assert progress.end is not None
    assert (progress.end - NOW).total_seconds() == pytest.approx(158.0, abs=0.01)


def test_the_machine_of_a_placed_step_is_named(workspace: Workspace) -> None:
    opened(workspace, 4)
    began(workspace, "policy", 40.0)
    usage.note(workspace, "policy", StepUsage(wall=40.0, machine="gpu-1"))
    progress = round_progress.read(workspace, NOW, [])
    assert progress is not None
    assert progress.step is not None
    assert progress.step.machine == "gpu-1"


def test_a_step_that_is_overdue_is_expected_to_end_at_once(workspace: Workspace) -> None:
    opened(workspace, 4)
    began(workspace, "verdict", 500.0)
    with holding(workspace.lock, "round 4"):
        progress = round_progress.read(workspace, NOW, [TWO])
    assert progress is not None
    assert progress.end == NOW


def test_between_two_steps_the_last_one_has_ended(workspace: Workspace) -> None:
    opened(workspace, 4)
    began(workspace, "collect", 7.0, seconds_ago=50.0)
    note_time(rounds.read(workspace), "collect", 7.0, 0.0)
    with holding(workspace.lock, "round 4"):
        progress = round_progress.read(workspace, NOW, [TWO])
    assert progress is not None
    assert progress.step is not None
    assert (progress.step.ended, progress.step.seconds, progress.done) == (True, 7.0, 1)
    assert progress.end is not None
    assert (progress.end - NOW).total_seconds() == 9 * 20 + 100  # nine steps of 20 s, and the policy


def test_a_round_that_no_process_runs_stands_still_and_has_no_end(workspace: Workspace) -> None:
    opened(workspace, 4)
    began(workspace, "sft", 12.0, seconds_ago=3600.0)
    progress = round_progress.read(workspace, NOW, [TWO])
    assert progress is not None
    assert (progress.activity, progress.end, progress.done) == ("stands still", None, 3)
    assert progress.step is not None
    assert progress.step.seconds == 12.0  # the hour since was not computed


def test_before_the_first_step_the_metrics_of_the_round_before_do_not_count(workspace: Workspace) -> None:
    opened(workspace, 4)
    began(workspace, "verdict", 1.0)
    opened_again = workspace.round.read_text().replace("number: 4", "number: 5")
    workspace.round.write_text(opened_again)
    progress = round_progress.read(workspace, NOW, [TWO])
    assert progress is not None
    assert (progress.number, progress.step, progress.done) == (5, None, 0)


def test_round_0_has_four_steps_and_no_expected_end(workspace: Workspace) -> None:
    opened(workspace, 0)
    began(workspace, "curate", 1.0)
    with holding(workspace.lock, "round 0"):
        progress = round_progress.read(workspace, NOW)
    assert progress is not None
    assert (progress.done, progress.steps, progress.end) == (2, 4, None)


def test_a_round_waits_for_approval(workspace: Workspace) -> None:
    opened(workspace, 4)
    began(workspace, "verdict", 1.0)
    waiting.begin(workspace, "approval", 3600, Candidate(key="ab", candidate="c" * 64))
    progress = round_progress.read(workspace, NOW, [TWO])
    assert progress is not None
    assert (progress.activity, progress.awaits_approval, progress.end) == ("waits", True, None)
    assert "Round 4 waits for approval: its candidate cccccccccccc passed every gate" in progress.wait
