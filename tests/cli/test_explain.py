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
from tests.workspaces import moved

PROMPT, ANSWER = "Where is <my> parcel?", "It <b>comes</b> on Monday."
BEFORE = [{"role": "user", "content": "Hello!"}, {"role": "assistant", "content": "What may I do for you?"}]


@pytest.fixture(scope="module")
def explained(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy, since the command stores the reward model and its page in the workspace."""
    return moved(finished, tmp_path_factory.mktemp("explained") / "workspace")


def test_an_answer_in_numbers_and_as_a_page(rounds: Rounds, explained: Workspace, tmp_path: Path) -> None:
    page = tmp_path / "why.html"
    result = rounds("explain", "--prompt", PROMPT, "--answer", ANSWER, "--html", page, "-w", explained.root)
    assert result.code == 0, result.err
    assert "Reward model version 1, of round 1" in result.out
    assert "t[" in result.out
    assert "left over: " in result.out
    assert "simulated" in result.out  # the annotator of the nearest pairs
    html = page.read_text()
    assert "&lt;my&gt;" in html
    assert "<b>comes" not in html
    assert "http" not in html  # self-contained


def test_the_shares_sum_to_the_score_and_neighbours_are_training_pairs(rounds: Rounds, explained: Workspace) -> None:
    result = rounds("explain", "--prompt", PROMPT, "--answer", ANSWER, "--json", "--near", 3, "-w", explained.root)
    explanation = json.loads(result.out)
    [answer] = explanation["answers"]
    parts = answer["blank"] + sum(piece["total"] for piece in answer["pieces"])
    assert parts + answer["error"] == pytest.approx(answer["score"], abs=1e-4)
    assert abs(answer["error"]) < 0.01
    assert "".join(piece["text"] for piece in answer["pieces"]).strip().startswith(ANSWER)
    assert [near["row"]["split"] for near in answer["near"]] == ["train"] * 3
    assert all(near["annotators"] for near in answer["near"])


def test_both_answers_of_a_pair_and_of_a_sample(rounds: Rounds, explained: Workspace) -> None:
    row = tables.rows(explained.preferences / "holdout.arrow")[0]
    explanation = json.loads(rounds("explain", "--pair", row["pair_id"][:12], "--json", "-w", explained.root).out)
    assert [answer["text"] for answer in explanation["answers"]] == [row["chosen"], row["rejected"]]
    samples = tables.rows(explained.samples / "samples.arrow")
    explanation = json.loads(rounds("explain", "--round", 1, "--sample", 2, "--json", "-w", explained.root).out)
    assert [answer["title"] for answer in explanation["answers"]] == ["candidate", "champion"]
    assert explanation["answers"][0]["score"] == pytest.approx(samples[2]["candidate_reward"], abs=1e-3)


def test_a_sample_of_a_conversation_is_explained_with_all_its_turns(rounds: Rounds, continued: Workspace) -> None:
    path, turns = continued.prompts / "holdout.arrow", [*BEFORE, {"role": "user", "content": PROMPT}]
    samples = tables.rows(continued.samples / "samples.arrow")
    rows = [
        row | {"prompt": turns} if row["prompt_id"] == samples[2]["prompt_id"] else row for row in tables.rows(path)
    ]
    tables.write(path, pa.Table.from_pylist(rows, schema=PROMPTS))
    explanation = json.loads(rounds("explain", "--round", 1, "--sample", 2, "--json", "-w", continued.root).out)
    assert [answer["prompt"] for answer in explanation["answers"]] == [turns, turns]
    texts = [samples[2][f"{who}_texts"] for who in ("candidate", "champion")]
    scores = RewardModel.load(continued.checkpoint("reward")).score([turns, turns], texts).tolist()
    assert [answer["score"] for answer in explanation["answers"]] == pytest.approx(scores, abs=1e-3)

    tables.write(path, pa.Table.from_pylist([], schema=PROMPTS))
    result = rounds("explain", "--sample", 2, "-w", continued.root)
    assert (result.code, f"prompt {samples[2]['prompt_id']} of the samples" in result.err) == (2, True)


def test_the_registered_version_alone_is_enough(
    rounds: Rounds, explained: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{explained.root}/mlflow.db")
    monkeypatch.setenv("ROUNDS_LINE", "policy")
    assert rounds("init", tmp_path / "elsewhere").code == 0
    result = rounds("explain", "--version", 2, "--prompt", PROMPT, "--answer", ANSWER, "-w", tmp_path / "elsewhere")
    assert result.code == 0, result.err
    assert "t[" in result.out
    assert "No training preferences are shown: round 1" in result.out


def test_errors_name_the_reason(rounds: Rounds, explained: Workspace) -> None:
    root = explained.root
    assert "--prompt TEXT with --answer TEXT" in rounds("explain", "-w", root).err
    assert "--prompt TEXT with --answer TEXT" in rounds("explain", "--prompt", PROMPT, "-w", root).err
    question = ("--prompt", PROMPT, "--answer", ANSWER, "-w", root)
    assert "--version and --round" in rounds("explain", "--version", 2, "--round", 1, *question).err
    assert "policy version 1 was trained without a reward model; choose a round that has one with --round: 1" in (
        rounds("explain", "--version", 1, *question).err
    )
    assert "registered no reward model" in rounds("explain", "--round", 0, *question).err
    assert "0 of the" in rounds("explain", "--pair", "ffffffff", "-w", root).err
    assert "there is no sample 5000" in rounds("explain", "--sample", 5000, "-w", root).err
    assert "--answer" in rounds("explain", "--prompt", PROMPT, "--answer", " ", "-w", root).err


def test_without_a_champion(rounds: Rounds, workspace: Workspace) -> None:
    result = rounds("explain", "--prompt", PROMPT, "--answer", ANSWER, "-w", workspace.root)
    assert (result.code, "there is no champion yet" in result.err) == (2, True)
    assert Registry(workspace.root).champion() is None
