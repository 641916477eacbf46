"""Files that a power cut or an editor left half written: the error names file and cure, and the cure works."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from core.errors import Damaged
from flows.round import improve
from tasks.registry.alias import Registry
from tasks.rounds import opening
from tasks.state import records
from tasks.state import round as rounds
from tasks.state.workspace import Workspace
from tasks.tools.versioning import DataGraph
from tests.profile import PROMOTE, TINY
from tests.workspaces import outcome

KNOBS = [*TINY, PROMOTE]


@pytest.fixture
def opened(continued: Workspace) -> Workspace:
    """A workspace in which round 2 was opened, and nothing else was done."""
    opening.start(continued, KNOBS)
    assert records.coming(continued) == 2
    return continued


def halve(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def swap_a_knob(file: Path) -> None:
    file.write_text(file.read_text().replace("steps: 4", "steps: 40"))


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("round", halve, r"round\.yaml (is missing, incomplete|was changed after).*`rounds round --reopen`"),
        ("round", lambda file: file.write_text(""), r"round\.yaml .*`rounds round --reopen`"),
        ("round", swap_a_knob, r"round\.yaml was changed after round 2 was opened"),
        ("opened", halve, r"opened\.json .*--reopen"),
        ("opened", Path.unlink, r"opened\.json .*--reopen"),
    ],
)
def test_the_inputs_of_an_open_round(
    opened: Workspace, name: str, damage: Callable[[Path], None], message: str
) -> None:
    damage(getattr(opened, name))
    with pytest.raises(Damaged, match=message):
        opening.start(opened, [])
    opening.drop(opened)  # --reopen
    assert opening.start(opened, KNOBS).round.number == 2
    assert rounds.read(opened).values["policy"]["steps"] == 4


def test_a_dropped_round_leaves_no_open_run(opened: Workspace) -> None:
    store: MlflowClient = Registry(opened.root).store
    experiment = store.get_experiment_by_name("rounds")
    assert experiment is not None
    running = "attributes.status = 'RUNNING'"
    assert [run.info.run_name for run in store.search_runs([experiment.experiment_id], running)] == ["round 2"]
    opening.drop(opened)
    assert store.search_runs([experiment.experiment_id], running) == []


def test_the_record_of_the_last_round(continued: Workspace) -> None:
    before = outcome(continued)
    halve(records.path(continued, 1))
    with pytest.raises(Damaged, match=r"00001\.json .*`rounds round`"):
        records.last(continued)
    records.path(continued, 1).unlink()
    improve(opening.start(continued, []))  # every step is done: what is left is the closing
    assert outcome(continued) == before


def test_the_lock_of_the_data(continued: Workspace) -> None:
    lock = continued.root / "dvc.lock"
    lock.write_text(lock.read_text()[:1000] + "\n  broken: [")
    with pytest.raises(Damaged, match=r"dvc\.lock .*folder `round`"):
        DataGraph(continued.root).done("curate")
    lock.unlink()
    assert not DataGraph(continued.root).done("curate")
