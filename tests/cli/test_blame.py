"""`rounds blame`, with full trainings: an annotator who votes the wrong way round is ranked first."""

import json
from pathlib import Path

import pytest

from core.files import read_json
from feedback import store
from models.reward import RewardModel
from tasks.analysis.blame.plan import plan
from tasks.analysis.blame.retraining import Retraining
from tasks.analysis.training_data import material
from tasks.registry.alias import Registry
from tasks.registry.archive import Archive
from tasks.state import records
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.crowd import votes
from tests.flows.feedback_files import imported
from tests.profile import HOLD, TINY
from tests.workspaces import moved, run_round

pytestmark = pytest.mark.rounds

LEARNS = ("reward.epochs=4", "reward.learning_rate=0.003", "collect.prompts=40")
"""A tiny reward model that learns from the votes below."""


@pytest.fixture(scope="module")
def crowd(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The workspace with a round 2 trained on the votes of four annotators; eve votes the opposite. Read-only."""
    workspace = moved(finished, tmp_path_factory.mktemp("crowd") / "workspace")
    cast = [vote for name in ("ana", "ben", "cem") for vote in votes(name, 110)]
    imported(workspace, "crowd.jsonl", [*cast, *votes("eve", 110, reversed=True)])
    run_round(workspace, [*TINY, HOLD, *LEARNS])
    return workspace


@pytest.fixture
def copied(crowd: Workspace, tmp_path: Path) -> Workspace:
    return moved(crowd, tmp_path / "copied")


@pytest.mark.learning
def test_an_annotator_who_votes_the_wrong_way_round_is_ranked_first(rounds: Rounds, copied: Workspace) -> None:
    result = rounds("blame", "2", "--by", "annotator", "--json", "-w", copied.root)
    assert result.code == 0, result.err
    report = json.loads(result.out)
    charges = {charge["suspect"]["name"]: charge for charge in report["charges"]}
    assert charges.keys() == {"ana", "ben", "cem", "eve", "simulated"}
    # The simulated annotator judged random answers of the tiny model; whether that did harm depends on the seed.
    first, *others = (charge for name, charge in charges.items() if name != "simulated")
    assert first is charges["eve"]
    # the worst of three seeds, two with AVX2 and one without: p 0.005, low 0.044, harm 0.043; the others at most 0.003
    assert first["p"] < 0.05
    assert first["holdout"]["harm"]["low"] > 0
    assert first["holdout"]["accuracy_without"] > first["holdout"]["accuracy"]
    assert first["harm"] > 2 * max(abs(charge["harm"]) for charge in (*others, report["control"]))
    again = rounds("blame", "2", "--by", "annotator", "-w", copied.root)  # no training runs twice
    assert again.out.startswith("Round 2: 5 subsets, 0 trainings to run")
    ranked = [line.split()[0] for line in again.out.splitlines() if "holdout" in line.split()]
    assert ranked[: len(charges)] == [*charges]
    folder = copied.blame / "round-00002"
    assert read_json(folder / "blame.json") == report
    assert (folder / "blame.png").stat().st_size > 5000


def test_the_cost_is_printed_first_and_the_result_logged_below_the_round(rounds: Rounds, copied: Workspace) -> None:
    result = rounds("blame", "2", "--by", "source", "-w", copied.root)
    assert result.code == 0, result.err
    assert result.out.startswith("Round 2: 2 subsets, 4 trainings to run, about ")
    store, record = Registry(copied.root).store, records.read(copied, 2)
    children = store.search_runs([record.experiment], f"tags.mlflow.parentRunId = '{record.run_id}'")
    [run] = [run for run in children if run.info.run_name == "blame"]
    assert run.info.status == "FINISHED"
    assert run.data.metrics["blame/suspects"] == 2
    assert run.data.tags["worst"].startswith("source ")
    assert {file.path for file in store.list_artifacts(run.info.run_id)} == {"blame.json", "plots"}
    assert [past.number for past in Archive(copied.root).rounds()] == [0, 1, 2]


def test_a_training_on_everything_equals_the_rounds_own(copied: Workspace) -> None:
    planned = plan(copied, "2", by=["annotator"])
    questions = [row._asdict() for row in planned.fresh]
    own = RewardModel.load(copied.checkpoint("reward"))
    expected = own.margins(questions) / own.temperature
    predictions = planned.retraining(planned.rows)
    # the same weights; with other pairs in a batch, sums are rounded differently
    assert [predictions.margins[row.pair_id] for row in planned.fresh] == pytest.approx(expected.tolist(), abs=1e-5)


def test_an_interrupted_run_continues_from_its_finished_trainings(copied: Workspace) -> None:
    planned = plan(copied, "2", by=["annotator"], top=2)
    assert len(planned.waiting) == 4  # all feedback, the control, two subsets
    path = planned.retraining.path(planned.rows)
    planned.retraining(planned.rows)
    assert path.exists()
    again = plan(copied, "2", by=["annotator"], top=2)
    assert len(again.waiting) == 3
    assert isinstance(again.retraining, Retraining)
    before = path.stat().st_mtime_ns
    again.retraining(again.rows)
    assert path.stat().st_mtime_ns == before


def test_the_cost_is_estimated_in_the_folder_of_a_replay(rounds: Rounds, crowd: Workspace, tmp_path: Path) -> None:
    """There is no MLflow run and no record of the round there: the replay recorded the training time."""
    assert rounds("replay", "2", "--into", tmp_path / "replayed", "-w", crowd.root).code == 0
    replayed = Workspace(tmp_path / "replayed")
    planned = plan(replayed, "2", by=["source"])
    spent = read_json(replayed.metrics / "times.json")["reward"]["learning"]
    own = sum(row.split in ("train", "judge") for row in planned.rows)
    trained = sum(row.split == "train" for rows in planned.waiting for row in rows)
    assert planned.seconds == pytest.approx(spent * trained / own)
    assert spent > 0


def test_votes_on_other_pairs_of_the_same_round_are_ignored(copied: Workspace) -> None:
    """A round that was dropped after its votes and reopened leaves such votes."""
    own = plan(copied, "2", by=["annotator"]).votes
    others = [
        vote.model_copy(update={"feedback_id": f"{number:064x}", "batch_id": "d" * 16})
        for number, vote in enumerate(own)
    ]
    assert store.append(copied.votes, others, 2).new == len(own) == records.metrics(copied, 2)["evaluate/votes"]
    assert plan(copied, "2", by=["annotator"]).votes == own

    copied.pairs.write_text("")  # as if round 3 had overwritten them
    assert plan(copied, "2", by=["annotator"]).votes == own


def test_in_the_folder_of_a_replay_the_pairs_identify_the_votes_of_the_round(copied: Workspace) -> None:
    own = plan(copied, "2", by=["annotator"]).votes
    records.path(copied, 2).unlink()
    assert plan(copied, "2", by=["annotator"]).votes == own
    copied.pairs.unlink()
    assert plan(copied, "2", by=["annotator"]).votes == []


def test_an_older_round_is_analysed_while_the_workspace_has_its_sft_model(crowd: Workspace) -> None:
    """Its feedback is the part of the store that no later round took in."""
    record = material(crowd, "1")
    assert record.round.number == 1
    assert {event.round for event in record.events} <= {0, 1}


def test_errors_name_the_reason_and_the_cure(rounds: Rounds, copied: Workspace) -> None:
    assert "round 0 trains no reward model" in rounds("blame", "0", "-w", copied.root).err
    assert "no finished round '7'" in rounds("blame", "7", "-w", copied.root).err
    few = rounds("blame", "2", "--least", "5000", "-w", copied.root)
    assert (few.code, "see --by and --least" in few.err) == (2, True)
    lock = copied.root / "dvc.lock"
    lock.write_text(lock.read_text().replace("data/checkpoints/sft\n", "data/checkpoints/other\n"))
    other = rounds("blame", "2", "-w", copied.root).err
    assert "started from another SFT model" in other
    assert "rounds replay 2 --into DIR" in other
