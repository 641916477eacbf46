"""Killed at any moment and started again, a round ends as if nothing had happened."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from core.files import digest
from tasks import polls, records
from tasks.registry import Registry
from tasks.versioning import STEPS
from tasks.workspace import PROJECT, Workspace
from tests.annotators import voted
from tests.flows.killing import diary, failure
from tests.workspaces import Furnish, moved, outcome

End = Callable[[Workspace, str], int]
"""Runs the next round up to a moment, or goes on with the open one; says how the process ended."""

KILLED, DONE = -9, 0

STEPS_OF_ROUND_1 = tuple(step for step in STEPS if step != "sft")

OPENING = tuple(f"onto data/{name}" for name in ("champion", "previous", "opened.json", "round.yaml"))
BETWEEN = tuple(f"{point} {step}" for step in STEPS_OF_ROUND_1 for point in ("begins", "ended", "cuts"))
LEARNING = ("learns reward", "learns policy", "onto data/training/policy")
WRITING = (
    "onto data/answers/pairs.jsonl",
    "onto data/feedback/part-00001-0.parquet",
    *(f"onto data/{folder}" for folder in ("preferences", "demonstrations", "prompts")),
    *(f"onto data/checkpoints/{model}" for model in ("reward", "judge", "policy")),
    *(f"onto data/samples/{file}" for file in ("pairs.jsonl", "samples.arrow")),
    "onto data/votes/part-00001-0.parquet",
    *(
        f"onto data/reports/{step}.json"
        for step in ("curate", "reward", "policy", "sample", "evaluate", "drift", "verdict")
    ),
)
REGISTERING = ("create_logged_model", "log_model_artifacts", "finalize_logged_model", "create_model_version")
CLOSING = (
    *(f"{when} {call}" for call in (*REGISTERING, "set_registered_model_alias") for when in ("before", "after")),
    "onto data/rounds/00001.json",
)
ROUND_0 = (
    *("begins sft", "learns sft", "ended sft", "cuts collect", "cuts sft", "onto data/checkpoints/sft"),
    *("after create_model_version", "after set_registered_model_alias", "onto data/rounds/00000.json"),
)

FEW = tuple(Random(5).choice(kind) for kind in (LEARNING, WRITING, CLOSING))
ALL = (*OPENING, *BETWEEN, *LEARNING, *WRITING, *CLOSING)


@pytest.fixture(scope="module")
def end(surroundings: None) -> Iterator[End]:
    program = [sys.executable, "-W", "ignore", "-m", "tests.flows.killing"]
    with subprocess.Popen(program, cwd=PROJECT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as killer:
        assert killer.stdin is not None
        assert killer.stdout is not None
        orders, answers = killer.stdin, killer.stdout

        def ended(place: Workspace, moment: str) -> int:
            print(f"{place.root}={moment}", file=orders, flush=True)
            return int(answers.readline())

        yield ended
        orders.close()


@pytest.fixture(scope="module")
def before(furnish: Furnish, end: End, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Round 0 is done. To be read."""
    place = furnish(tmp_path_factory.mktemp("before") / "workspace")
    assert end(place, "never") == DONE
    return place


@pytest.fixture(scope="module")
def undisturbed(before: Workspace, end: End, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """How round 1 ends where nobody is killed."""
    place = moved(before, tmp_path_factory.mktemp("undisturbed") / "workspace")
    assert end(place, "never") == DONE
    return outcome(place)


def test_a_round_is_a_function_of_its_inputs(finished: Workspace, undisturbed: dict[str, Any]) -> None:
    """Another folder, another process, no Prefect: the same keys, weights, numbers and verdicts."""
    assert outcome(finished) == undisturbed


def survives(place: Workspace, moment: str, end: End) -> dict[str, Any]:
    """The outcome of a round that was killed and started again."""
    already = diary(place).read_text() if diary(place).exists() else ""
    assert end(place, moment) == KILLED
    assert end(place, "never") == DONE
    begun = Counter(diary(place).read_text().removeprefix(already).split())
    assert begun.total() <= len(begun) + 1, f"a finished step was begun again: {begun}"
    return outcome(place)


@pytest.mark.parametrize("moment", FEW)
def test_killed_and_started_again(
    moment: str, before: Workspace, undisturbed: dict[str, Any], end: End, tmp_path: Path
) -> None:
    assert survives(moved(before, tmp_path / "copy"), moment, end) == undisturbed


@pytest.mark.chaos
@pytest.mark.parametrize("moment", ALL)
def test_killed_anywhere_and_started_again(
    moment: str, before: Workspace, undisturbed: dict[str, Any], end: End, tmp_path: Path
) -> None:
    assert survives(moved(before, tmp_path / "copy"), moment, end) == undisturbed


@pytest.mark.chaos
@pytest.mark.parametrize("moment", ROUND_0)
def test_killed_anywhere_in_the_first_round(
    moment: str, before: Workspace, furnish: Furnish, end: End, tmp_path: Path
) -> None:
    assert survives(furnish(tmp_path / "workspace"), moment, end) == outcome(before)


def test_a_full_disk_leaves_what_was_finished(
    before: Workspace, undisturbed: dict[str, Any], end: End, tmp_path: Path
) -> None:
    place = moved(before, tmp_path / "copy")
    assert end(place, "full evaluate") == 1
    assert failure(place).read_text().startswith("StepFailed: round 1, step evaluate: OSError: [Errno 27]")
    champion = Registry(place.root).champion()
    assert champion is not None
    assert (champion.version, records.numbers(place)) == ("1", [0])
    assert digest(place.checkpoint("policy")) == undisturbed["weights"]["policy"]
    assert end(place, "never") == DONE
    assert outcome(place) == undisturbed


def test_killed_around_a_wait_for_people(before: Workspace, end: End, tmp_path: Path) -> None:
    place = moved(before, tmp_path / "copy")
    place.params.write_text("policy: {use: ppo}\nvote: {annotator: {use: people, votes: 10}}\n")
    assert end(place, "onto data/waiting/votes.json") == KILLED
    assert end(place, "never") == 1
    assert failure(place).read_text() == "Waiting: round 1 waits for votes"
    began = polls.poll(place)

    pulled = tmp_path / "pairs.jsonl"
    pulled.write_text("".join(polls.as_lines(polls.pull(place))))
    polls.push(place, [voted(pulled, tmp_path / "votes.jsonl", "ana")])
    given = len(polls.cast(place))
    assert end(place, "onto data/waiting/votes.json") == KILLED  # as it goes on
    assert polls.poll(place) == began
    assert end(place, "ended vote") == KILLED
    assert end(place, "never") == DONE
    assert records.metrics(place, 1)["evaluate/votes"] == given
    assert diary(place).read_text().split().count("sample") == 1
