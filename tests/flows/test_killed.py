"""Killed at any moment and started again, a round ends as if nothing had happened."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from core.files import read_json
from core.settings import override, read
from tasks.people import polls
from tasks.registry.alias import Registry
from tasks.state import records
from tasks.state.steps import STEPS
from tasks.state.workspace import Workspace
from tests.cli.annotators import PEOPLE, voted
from tests.flows.killer import DONE, KILLED, Killer, killer
from tests.flows.killing import ENDED, diary, failure, phases
from tests.workspaces import Furnish, moved, outcome

STEPS_OF_ROUND_1 = tuple(step for step in STEPS if step != "sft")

OPENING = (
    *(f"onto data/{name}" for name in ("champion", "previous", "opened.json", "round.yaml")),
    *(f"past data/{name}" for name in ("champion", "previous", "round.yaml")),
)
BETWEEN = tuple(f"{point} {step}" for step in STEPS_OF_ROUND_1 for point in ("begins", "ended", "cuts", "recorded"))
LEARNING = ("learns reward", "learns policy", "onto data/training/policy", "past data/training/policy")
WRITING = (
    "onto data/answers/pairs.jsonl",
    "onto data/feedback/part-00001-0.parquet",
    *(f"onto data/{folder}" for folder in ("preferences", "demonstrations", "prompts")),
    *(f"onto data/checkpoints/{model}" for model in ("reward", "judge", "policy")),
    *(f"past data/{folder}" for folder in ("preferences", "checkpoints/policy")),
    *(f"past data/{store}/part-00001-0.parquet" for store in ("feedback", "votes")),
    *(f"onto data/samples/{file}" for file in ("pairs.jsonl", "samples.arrow")),
    "onto data/votes/part-00001-0.parquet",
    *(
        f"onto data/reports/{step}.json"
        for step in ("curate", "reward", "policy", "sample", "evaluate", "drift", "verdict")
    ),
    *("tears .dvc/tmp/rwlock", "into .dvc/cache"),
)
REGISTERING = ("create_logged_model", "log_model_artifacts", "finalize_logged_model", "create_model_version")
CLOSING = (
    *("tears data/previous.dvc", "into mlruns", "onto data/audit.jsonl.head"),
    *(f"{when} {call}" for call in (*REGISTERING, "set_registered_model_alias") for when in ("before", "after")),
    "onto data/rounds/00001.json",
)
ROUND_0 = (
    *("begins sft", "learns sft", "ended sft", "recorded sft", "cuts collect", "cuts sft", "onto data/checkpoints/sft"),
    *("after create_model_version", "after set_registered_model_alias", "onto data/rounds/00000.json"),
)
PUSHING = ("into remote", "tears data/previous.dvc", "before create_logged_model")

ALL = (*OPENING, *BETWEEN, *LEARNING, *WRITING, *CLOSING)

AFTER_POLICY = re.compile(r"\b(samples?|votes?|evaluate|drift|verdict|closing)\b")
"""In the name of a moment after the policy was recorded; those of CLOSING are late, too."""

PHASES = ("opening", *STEPS_OF_ROUND_1, "closing")
CLOCK = tuple(
    (phase, round(dice.uniform(0.02, 0.98), 3)) for dice in [Random(30)] for phase in PHASES for _ in range(3)
)
"""36 kill points, three per phase, as fractions of the phase's duration."""

AGAIN = (
    ("learns policy", "learns policy"),
    ("onto data/training/policy", "0.0 in opening"),
    ("ended evaluate", "0.05 in opening", "cuts evaluate"),
    ("cuts reward", "onto dvc.lock"),
    ("after create_model_version", "before create_model_version", "onto data/rounds/00001.json"),
)
"""Killed, and killed while it continues, some at once."""

pytestmark = [pytest.mark.rounds, pytest.mark.timeout(900)]  # the first test runs three rounds

FEW = tuple(moment for kind in (BETWEEN + LEARNING, WRITING, OPENING + CLOSING) for moment in Random(5).sample(kind, 3))
FEW_BY_CLOCK = Random(5).sample(CLOCK, 3)
BY_CLOCK = [pytest.param(*moment, marks=() if moment in FEW_BY_CLOCK else pytest.mark.chaos) for moment in CLOCK]
"""All of them; three are killed in `make test-rounds`, the others in `make chaos`."""


@pytest.fixture(scope="module")
def end(surroundings: None) -> Iterator[Killer]:
    with killer(os.environ) as program:
        yield program


@pytest.fixture(scope="module")
def before(furnish: Furnish, end: Killer, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Round 0 is done. To be read."""
    workspace = furnish(tmp_path_factory.mktemp("before") / "workspace")
    assert end(workspace, "never") == DONE
    return workspace


@pytest.fixture(scope="module")
def midway(before: Workspace, end: Killer, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Round 1 was killed when its policy was recorded. To be read: later moments go on from here."""
    workspace = moved(before, tmp_path_factory.mktemp("midway") / "workspace")
    assert end(workspace, "recorded policy") == KILLED
    return workspace


@pytest.fixture
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Workspace]:
    """Makes a copy of a workspace in which the moment is still to come, and as little as possible before it."""

    def copied(moment: str) -> Workspace:
        late = moment in CLOSING or AFTER_POLICY.search(moment)
        return moved(request.getfixturevalue("midway" if late else "before"), tmp_path / "copy")

    return copied


@pytest.fixture(scope="module")
def whole(before: Workspace, end: Killer, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Round 1 is done as well, and nobody was killed. To be read."""
    workspace = moved(before, tmp_path_factory.mktemp("whole") / "workspace")
    assert end(workspace, "never") == DONE
    return workspace


@pytest.fixture(scope="module")
def undisturbed(whole: Workspace) -> dict[str, Any]:
    """How round 1 ends where nobody is killed."""
    return outcome(whole)


def test_a_round_is_a_function_of_its_inputs(finished: Workspace, undisturbed: dict[str, Any]) -> None:
    """Another folder, another process, no Prefect: the same keys, weights, numbers and verdicts."""
    assert outcome(finished) == undisturbed


def survives(workspace: Workspace, end: Killer, *moments: str) -> dict[str, Any]:
    """The outcome of a round that was killed at each of the moments in turn, and then left in peace."""
    already = diary(workspace).read_text() if diary(workspace).exists() else ""
    ends = [end(workspace, moment) for moment in moments]
    if ends[-1] == KILLED:  # by the clock, the last phase may be over a little sooner than the clock says
        ends.append(end(workspace, "never"))
    assert ends == [KILLED] * len(moments) + [DONE] or (" in closing" in moments[-1] and ends == [DONE])
    pages = diary(workspace).read_text().removeprefix(already).split()
    again = [page for at, page in enumerate(pages) if f"{page}{ENDED}" in pages[:at]]
    assert not again, f"finished steps were begun again: {again} in {pages}"
    begun = Counter(page for page in pages if not page.endswith(ENDED))
    assert begun.total() <= len(begun) + len(moments), f"more steps were begun again than were killed: {begun}"
    return outcome(workspace)


@pytest.mark.parametrize("moment", FEW)
def test_killed_and_started_again(
    moment: str, start: Callable[[str], Workspace], undisturbed: dict[str, Any], end: Killer
) -> None:
    assert survives(start(moment), end, moment) == undisturbed


@pytest.mark.chaos
@pytest.mark.parametrize("moment", [moment for moment in ALL if moment not in FEW])
def test_killed_anywhere_and_started_again(
    moment: str, start: Callable[[str], Workspace], undisturbed: dict[str, Any], end: Killer
) -> None:
    assert survives(start(moment), end, moment) == undisturbed


def by_clock(phase: str, share: float, whole: Workspace) -> str:
    return f"{share * read_json(phases(whole))[phase]:.3f} in {phase}"


@pytest.mark.parametrize(("phase", "share"), BY_CLOCK)
def test_killed_by_the_clock(
    phase: str,
    share: float,
    start: Callable[[str], Workspace],
    whole: Workspace,
    undisturbed: dict[str, Any],
    end: Killer,
) -> None:
    assert survives(start(phase), end, by_clock(phase, share, whole)) == undisturbed


@pytest.mark.chaos
@pytest.mark.parametrize("moments", AGAIN, ids=" then ".join)
def test_killed_and_killed_again(
    moments: tuple[str, ...], before: Workspace, undisturbed: dict[str, Any], end: Killer, tmp_path: Path
) -> None:
    assert survives(moved(before, tmp_path / "copy"), end, *moments) == undisturbed


@pytest.mark.chaos
@pytest.mark.parametrize("moment", ROUND_0)
def test_killed_anywhere_in_the_first_round(
    moment: str, before: Workspace, furnish: Furnish, end: Killer, tmp_path: Path
) -> None:
    assert survives(furnish(tmp_path / "workspace"), end, moment) == outcome(before)


@pytest.fixture(scope="module")
def pushing(before: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Round 0 is done, and round 1 will push its data to a DVC remote, a folder of the workspace. To be read."""
    workspace = moved(before, tmp_path_factory.mktemp("pushing") / "workspace")
    with (workspace.root / ".dvc" / "config").open("a") as config:
        config.write("['remote \"store\"']\n    url = ../remote\n")
    values = override(read(workspace.params), ["versioning.remote=store"])
    workspace.params.write_text(yaml.safe_dump(values))
    return workspace


@pytest.fixture(scope="module")
def pushed(pushing: Workspace, end: Killer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """How such a round ends where nobody is killed."""
    workspace = moved(pushing, tmp_path_factory.mktemp("pushed") / "workspace")
    assert end(workspace, "never") == DONE
    return outcome(workspace)


@pytest.mark.chaos
@pytest.mark.parametrize("moment", PUSHING)
def test_killed_while_data_is_made_safe(
    moment: str, pushing: Workspace, pushed: dict[str, Any], end: Killer, tmp_path: Path
) -> None:
    assert survives(moved(pushing, tmp_path / "copy"), end, moment) == pushed


FULL = {
    "full evaluate": r"Unwritable: round 1, step evaluate: /.* cannot be written \(File too large\); raise the limit",
    "brim reward": r"\w+: round 1, step reward: .* cannot be written.*\(File too large\); raise the limit",
    "full closing": r"\w+: round 1, closing: ",
}
"""Where the disk is full, and what the round says."""


@pytest.mark.parametrize(
    "moment", ["full evaluate", *(pytest.param(moment, marks=pytest.mark.chaos) for moment in list(FULL)[1:])]
)
def test_a_full_disk_leaves_what_was_finished(
    moment: str, before: Workspace, undisturbed: dict[str, Any], end: Killer, tmp_path: Path
) -> None:
    workspace = moved(before, tmp_path / "copy")
    assert end(workspace, moment) == 1
    said = failure(workspace).read_text()
    assert re.match(FULL[moment], said), said
    assert "continue with `rounds round`" in said
    champion = Registry(workspace.root).champion()
    assert champion is not None
    assert (champion.version, records.numbers(workspace)) == ("1", [0])
    assert end(workspace, "never") == DONE
    assert outcome(workspace) == undisturbed


def test_killed_around_a_wait_for_people(before: Workspace, end: Killer, tmp_path: Path) -> None:
    workspace = moved(before, tmp_path / "copy")
    workspace.params.write_text(yaml.safe_dump(override(read(workspace.params), [PEOPLE])))
    assert end(workspace, "onto data/waiting/votes.json") == KILLED
    assert end(workspace, "never") == 1
    assert failure(workspace).read_text() == "WaitingForPeople: round 1 waits for votes"
    began = polls.poll(workspace)

    pulled = tmp_path / "pairs.jsonl"
    pulled.write_text("".join(polls.as_lines(polls.pull(workspace))))
    polls.push(workspace, [voted(pulled, tmp_path / "votes.jsonl", "ana")])
    given = len(polls.cast(workspace))
    assert end(workspace, "onto data/waiting/votes.json") == KILLED  # as it goes on
    assert polls.poll(workspace) == began
    assert end(workspace, "ended vote") == KILLED
    assert end(workspace, "never") == DONE
    assert records.metrics(workspace, 1)["evaluate/votes"] == given
    assert diary(workspace).read_text().split().count("sample") == 1
