"""`rounds explain`: the reward of an answer, token by token, and the training preferences nearest to it."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from feedback.prompts import PROMPTS
from models.reward import RewardModel
from tasks.registry.alias import Registry
from tasks.state import tables
from tasks.state.workspace import Workspace
from tests.commands import Rounds

PROMPT, ANSWER = "Where is <my> parcel?", "It <b>comes</b> on Monday."
BEFORE = [{"role": "user", "content": "Hello!"}, {"role": "assistant", "content": "What may I do for you?"}]


def test_an_answer_in_numbers_and_as_a_page(rounds: Rounds, finished: Workspace, tmp_path: Path) -> None:
    page = tmp_path / "why.html"
    said = rounds("explain", "--prompt", PROMPT, "--answer", ANSWER, "--html", page, "-w", finished.root)
    assert said.code == 0, said.err
    assert "Reward model version 1, of round 1" in said.out
    assert "t[" in said.out
    assert "left over: " in said.out
    assert "simulated" in said.out  # by whom the nearest pairs were judged
    html = page.read_text()
    assert "&lt;my&gt;" in html
    assert "<b>comes" not in html
    assert "http" not in html  # nothing is loaded from elsewhere


def test_the_shares_sum_to_the_score_and_neighbours_are_training_pairs(rounds: Rounds, finished: Workspace) -> None:
    said = rounds("explain", "--prompt", PROMPT, "--answer", ANSWER, "--json", "--near", 3, "-w", finished.root)
    found = json.loads(said.out)
    [answer] = found["answers"]
    parts = answer["blank"] + sum(piece["total"] for piece in answer["pieces"])
    assert parts + answer["error"] == pytest.approx(answer["score"], abs=1e-4)
    assert abs(answer["error"]) < 0.01
    assert "".join(piece["text"] for piece in answer["pieces"]).strip().startswith(ANSWER)
    assert [near["row"]["split"] for near in answer["near"]] == ["train"] * 3
    assert all(near["annotators"] for near in answer["near"])


def test_both_answers_of_a_pair_and_of_a_sample(rounds: Rounds, finished: Workspace) -> None:
    row = tables.rows(finished.preferences / "holdout.arrow")[0]
    found = json.loads(rounds("explain", "--pair", row["pair_id"][:12], "--json", "-w", finished.root).out)
    assert [answer["text"] for answer in found["answers"]] == [row["chosen"], row["rejected"]]
    samples = tables.rows(finished.samples / "samples.arrow")
    found = json.loads(rounds("explain", "--round", 1, "--sample", 2, "--json", "-w", finished.root).out)
    assert [answer["title"] for answer in found["answers"]] == ["candidate", "champion"]
    assert found["answers"][0]["score"] == pytest.approx(samples[2]["candidate_reward"], abs=1e-3)


def test_a_sample_of_a_conversation_is_explained_with_all_its_turns(rounds: Rounds, continued: Workspace) -> None:
    path, turns = continued.prompts / "holdout.arrow", [*BEFORE, {"role": "user", "content": PROMPT}]
    samples = tables.rows(continued.samples / "samples.arrow")
    rows = [
        row | {"prompt": turns} if row["prompt_id"] == samples[2]["prompt_id"] else row for row in tables.rows(path)
    ]
    tables.write(path, pa.Table.from_pylist(rows, schema=PROMPTS))
    found = json.loads(rounds("explain", "--round", 1, "--sample", 2, "--json", "-w", continued.root).out)
    assert [answer["prompt"] for answer in found["answers"]] == [turns, turns]
    texts = [samples[2][f"{who}_texts"] for who in ("candidate", "champion")]
    scores = RewardModel.load(continued.checkpoint("reward")).score([turns, turns], texts).tolist()
    assert [answer["score"] for answer in found["answers"]] == pytest.approx(scores, abs=1e-3)

    tables.write(path, pa.Table.from_pylist([], schema=PROMPTS))
    said = rounds("explain", "--sample", 2, "-w", continued.root)
    assert (said.code, f"prompt {samples[2]['prompt_id']} of the samples is not among" in said.err) == (2, True)


def test_the_registered_version_alone_is_enough(
    rounds: Rounds, finished: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{finished.root}/mlflow.db")
    said = rounds("explain", "--version", 2, "--prompt", PROMPT, "--answer", ANSWER, "-w", tmp_path / "elsewhere")
    assert said.code == 0, said.err
    assert "t[" in said.out
    assert "No training preferences are shown: round 1" in said.out


def test_what_cannot_be_explained_is_said(rounds: Rounds, finished: Workspace) -> None:
    place = finished.root
    assert "say what to explain" in rounds("explain", "-w", place).err
    assert "say what to explain" in rounds("explain", "--prompt", PROMPT, "-w", place).err
    asked = ("--prompt", PROMPT, "--answer", ANSWER, "-w", place)
    assert "give one of them" in rounds("explain", "--version", 2, "--round", 1, *asked).err
    assert "policy version 1 was trained against no reward model; those of rounds 1 are there" in (
        rounds("explain", "--version", 1, *asked).err
    )
    assert "registered no reward model" in rounds("explain", "--round", 0, *asked).err
    assert "0 of the" in rounds("explain", "--pair", "ffffffff", "-w", place).err
    assert "there is no sample 5000" in rounds("explain", "--sample", 5000, "-w", place).err
    assert "--answer" in rounds("explain", "--prompt", PROMPT, "--answer", " ", "-w", place).err


def test_without_a_champion(rounds: Rounds, workspace: Workspace) -> None:
    said = rounds("explain", "--prompt", PROMPT, "--answer", ANSWER, "-w", workspace.root)
    assert (said.code, "there is no champion yet" in said.err) == (2, True)
    assert Registry(workspace.root).champion() is None
