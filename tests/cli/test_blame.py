"""`rounds blame`: somebody who votes the wrong way round is found, by real trainings."""

import json
from pathlib import Path

import pytest

from core.files import read_json
from feedback import store
from flows.round import rlhf_round
from models.reward import RewardModel
from tasks.analysis.blame.retraining import Retraining
from tasks.analysis.blame.trial import trial
from tasks.analysis.material import material
from tasks.registry.alias import Registry
from tasks.registry.archive import Archive
from tasks.state import records
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.crowd import votes
from tests.flows.feedback_files import write
from tests.profile import HOLD, TINY
from tests.workspaces import moved

LEARNS = ("reward.epochs=4", "reward.learning_rate=0.003", "collect.prompts=40")
"""A tiny reward model that does learn from the votes below."""


@pytest.fixture(scope="module")
def crowd(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The workspace with a round 2 that learned from four people, of whom eve means the opposite. To be read."""
    place = moved(finished, tmp_path_factory.mktemp("crowd") / "workspace")
    cast = [vote for name in ("ana", "ben", "cem") for vote in votes(name, 110)]
    place.inbox.mkdir(exist_ok=True)
    write(place.inbox / "crowd.jsonl", [*cast, *votes("eve", 110, reversed=True)])
    rlhf_round([*TINY, HOLD, *LEARNS], str(place.root))
    return place


@pytest.fixture
def copied(crowd: Workspace, tmp_path: Path) -> Workspace:
    return moved(crowd, tmp_path / "copied")


@pytest.mark.learning
def test_whoever_votes_the_wrong_way_round_is_ranked_before_the_others(rounds: Rounds, copied: Workspace) -> None:
    said = rounds("blame", "2", "--by", "annotator", "--json", "-w", copied.root)
    assert said.code == 0, said.err
    found = json.loads(said.out)
    charges = {charge["suspect"]["name"]: charge for charge in found["charges"]}
    assert charges.keys() == {"ana", "ben", "cem", "eve", "simulated"}
    # The simulated annotator judged what the tiny model stammers: whether that did harm is a matter of luck.
    first, *others = (charge for name, charge in charges.items() if name != "simulated")
    assert first is charges["eve"]
    # the worst of three seeds, two with AVX2 and one without: p 0.005, low 0.044, harm 0.043; the others at most 0.003
    assert first["p"] < 0.05
    assert first["holdout"]["harm"]["low"] > 0
    assert first["holdout"]["accuracy_without"] > first["holdout"]["accuracy"]
    assert first["harm"] > 2 * max(abs(charge["harm"]) for charge in (*others, found["control"]))
    again = rounds("blame", "2", "--by", "annotator", "-w", copied.root)  # nothing is trained twice
    assert "every training was done before" in again.out
    ranked = [line.split()[0] for line in again.out.splitlines() if "holdout" in line.split()]
    assert ranked[: len(charges)] == [*charges]
    folder = copied.blame / "round-00002"
    assert read_json(folder / "blame.json") == found
    assert (folder / "blame.png").stat().st_size > 5000


def test_the_cost_is_said_first_and_the_finding_logged_below_the_round(rounds: Rounds, copied: Workspace) -> None:
    said = rounds("blame", "2", "--by", "source", "-w", copied.root)
    assert said.code == 0, said.err
    assert said.out.startswith("Round 2: 2 suspects, 4 trainings to run, about ")
    store, record = Registry(copied.root).store, records.read(copied, 2)
    children = store.search_runs([record.experiment], f"tags.mlflow.parentRunId = '{record.run_id}'")
    [run] = [run for run in children if run.info.run_name == "blame"]
    assert run.info.status == "FINISHED"
    assert run.data.metrics["blame/suspects"] == 2
    assert run.data.tags["worst"].startswith("source ")
    assert {file.path for file in store.list_artifacts(run.info.run_id)} == {"blame.json", "plots"}
    assert [past.number for past in Archive(copied.root).rounds()] == [0, 1, 2]


def test_a_training_with_everybody_is_the_rounds_own(copied: Workspace) -> None:
    tried = trial(copied, "2", by=["annotator"])
    questions = [row._asdict() for row in tried.fresh]
    own = RewardModel.load(copied.checkpoint("reward"))
    expected = own.margins(questions) / own.temperature
    words = tried.retraining(tried.rows)
    # the same weights; among other pairs, rows are summed in other batches
    assert [words.margins[row.pair_id] for row in tried.fresh] == pytest.approx(expected.tolist(), abs=1e-5)


def test_cut_short_it_goes_on_from_the_trainings_that_ended(copied: Workspace) -> None:
    tried = trial(copied, "2", by=["annotator"], top=2)
    assert len(tried.waiting) == 4  # everybody, the control, two suspects
    kept = tried.retraining.path(tried.rows)
    tried.retraining(tried.rows)
    assert kept.exists()
    again = trial(copied, "2", by=["annotator"], top=2)
    assert len(again.waiting) == 3
    assert isinstance(again.retraining, Retraining)
    before = kept.stat().st_mtime_ns
    again.retraining(again.rows)
    assert kept.stat().st_mtime_ns == before


def test_the_cost_is_said_in_the_folder_of_a_replay(rounds: Rounds, crowd: Workspace, tmp_path: Path) -> None:
    """Its own MLflow knows of no round, and no round was recorded there: the replay noted how long it learned."""
    assert rounds("replay", "2", "--into", tmp_path / "replayed", "-w", crowd.root).code == 0
    replayed = Workspace(tmp_path / "replayed")
    tried = trial(replayed, "2", by=["source"])
    spent = read_json(replayed.metrics / "times.json")["reward"]["learning"]
    own = sum(row.split in ("train", "judge") for row in tried.rows)
    trained = sum(row.split == "train" for rows in tried.waiting for row in rows)
    assert tried.seconds == pytest.approx(spent * trained / own)
    assert spent > 0


def test_votes_on_other_pairs_of_the_same_round_are_no_evidence(copied: Workspace) -> None:
    """As a round leaves them that was dropped after its votes, and opened anew."""
    own = trial(copied, "2", by=["annotator"]).votes
    others = [
        vote.model_copy(update={"feedback_id": f"{number:064x}", "batch_id": "d" * 16})
        for number, vote in enumerate(own)
    ]
    assert store.append(copied.votes, others, 2).new == len(own) == records.metrics(copied, 2)["evaluate/votes"]
    assert trial(copied, "2", by=["annotator"]).votes == own

    copied.pairs.write_text("")  # as if round 3 had written its own
    assert trial(copied, "2", by=["annotator"]).votes == own


def test_in_the_folder_of_a_replay_the_pairs_say_which_votes_are_the_rounds(copied: Workspace) -> None:
    own = trial(copied, "2", by=["annotator"]).votes
    records.path(copied, 2).unlink()
    assert trial(copied, "2", by=["annotator"]).votes == own
    copied.pairs.unlink()
    assert trial(copied, "2", by=["annotator"]).votes == []


def test_an_older_round_is_tried_while_its_sft_model_is_here(crowd: Workspace) -> None:
    """Its feedback is the part of the store that later rounds did not bring."""
    found = material(crowd, "1")
    assert found.round.number == 1
    assert {event.round for event in found.events} <= {0, 1}


def test_what_cannot_be_tried_is_said(rounds: Rounds, copied: Workspace) -> None:
    assert "round 0 trains no reward model" in rounds("blame", "0", "-w", copied.root).err
    assert "no finished round '7'" in rounds("blame", "7", "-w", copied.root).err
    few = rounds("blame", "2", "--least", "5000", "-w", copied.root)
    assert (few.code, "see --by and --least" in few.err) == (2, True)
    lock = copied.root / "dvc.lock"
    lock.write_text(lock.read_text().replace("data/checkpoints/sft\n", "data/checkpoints/other\n"))
    other = rounds("blame", "2", "-w", copied.root).err
    assert "started from another SFT model" in other
    assert "rounds replay 2 --into DIR" in other
