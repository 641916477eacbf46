"""Reward model and judge, fitted on disjoint pairs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import BadFeedback, BadParams
from core.files import digest, read_json
from feedback.preferences import preference_table, vote_table
from feedback.split import SplitName
from models.policy import Policy
from models.reward import RewardModel
from models.tokens import encode_answers, encode_prompts, pad
from tasks.state import tables
from tasks.state.steplog import StepLog
from tasks.state.workspace import table
from tasks.steps.reward import MIN_PAIRS, reward
from tests.tasks.steps.hand_written import SHAPE, Logged, ModelsCounted, opened, preference, put, write_preferences


def test_too_few_pairs_are_an_error_that_names_the_split(tmp_path: Path) -> None:
    round = opened(tmp_path)
    write_preferences(round.workspace, "train", MIN_PAIRS)
    write_preferences(round.workspace, "judge", MIN_PAIRS - 1)
    with pytest.raises(BadFeedback, match=r"19 preference pairs in judge, need 20.*curate\.split\.judge"):
        reward(round, Logged())


def test_two_models_start_from_the_sft_model_and_are_calibrated(tmp_path: Path, models: Path) -> None:
    round = opened(tmp_path, reward={"epochs": 1})
    workspace = round.workspace
    put(models / "sft", workspace.checkpoint("sft"))
    write_preferences(workspace, "train", 20)
    write_preferences(workspace, "judge", 21)
    reward(round, Logged())
    numbers = read_json(workspace.report("reward"))["metrics"]
    assert (numbers["pairs"], numbers["judge_pairs"], numbers["annotators"]) == (20, 21, 0)
    fitted = RewardModel.load(workspace.checkpoint("reward"))
    assert fitted.temperature == numbers["temperature"] != 1.0
    assert digest(workspace.checkpoint("reward")) != digest(workspace.checkpoint("judge"))


def test_the_training_of_both_models_is_seen_and_the_metrics_are_those_of_the_reward_model(
    tmp_path: Path, models: Path
) -> None:
    round = opened(tmp_path, reward={"epochs": 1, "batch": 10})
    put(models / "sft", round.workspace.checkpoint("sft"))
    write_preferences(round.workspace, "train", 20)
    write_preferences(round.workspace, "judge", 30)
    seen: list[tuple[bool, int, int | None]] = []
    reward(round, StepLog([lambda metrics, step, total=None: seen.append((bool(metrics), step, total))]))
    assert seen == [(True, 0, 2), (True, 1, 2), (False, 0, 3), (False, 1, 3), (False, 2, 3)]


def test_pairs_that_are_equal_after_the_cut_are_left_out(
    tmp_path: Path, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    round = opened(tmp_path, reward={"epochs": 1})
    put(models / "sft", round.workspace.checkpoint("sft"))
    write_preferences(round.workspace, "train", 30, equal_after_cut=9)
    write_preferences(round.workspace, "judge", 20)
    reward(round, Logged())
    numbers = read_json(round.workspace.report("reward"))["metrics"]
    assert (numbers["pairs"], numbers["judge_pairs"]) == (21, 20)
    assert numbers["equal_after_cut"] == 9 / 50
    assert numbers["cut_answers"] >= 18 / 100
    assert "9 of 50" in caplog.text


def test_with_most_pairs_equal_after_the_cut_nothing_is_trained(tmp_path: Path, models: Path) -> None:
    round = opened(tmp_path)
    put(models / "sft", round.workspace.checkpoint("sft"))
    write_preferences(round.workspace, "train", 30, equal_after_cut=30)
    write_preferences(round.workspace, "judge", 20, equal_after_cut=20)
    with pytest.raises(BadFeedback, match=r"50 of 50 .* model\.max_answer_tokens=4"):
        reward(round, Logged())
    assert not round.workspace.checkpoint("reward").exists()


def test_too_few_pairs_after_the_cut(tmp_path: Path, models: Path) -> None:
    round = opened(tmp_path)
    put(models / "sft", round.workspace.checkpoint("sft"))
    write_preferences(round.workspace, "train", 100)
    write_preferences(round.workspace, "judge", MIN_PAIRS, equal_after_cut=1)
    with pytest.raises(BadFeedback, match=f"{MIN_PAIRS - 1} preference pairs in judge"):
        reward(round, Logged())


@pytest.mark.parametrize("base", ["scratch", "some/model"])
def test_a_likelihood_that_drowns_the_votes_stops_a_pretrained_base(
    base: str, tmp_path: Path, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    round = opened(tmp_path, model={**SHAPE, "base": base}, reward={"epochs": 1, "likelihood": 1000})
    put(models / "sft", round.workspace.checkpoint("sft"))
    for split in ("train", "judge"):
        write_preferences(round.workspace, split, 20)
    if base == "scratch":
        reward(round, Logged())
        assert "reward.likelihood=1000" in caplog.text
        return
    with pytest.raises(BadParams, match=r"reward\.likelihood=1000.* set reward\.likelihood=0"):
        reward(round, Logged())
    assert not round.workspace.checkpoint("reward").exists()


def test_the_correlation_of_both_models_before_training_is_that_of_their_likelihood_terms(
    tmp_path: Path, models: Path
) -> None:
    """They differ in the mean surprisal of their own answers alone, which counts by the difference in tokens."""
    round = opened(tmp_path, model={**SHAPE, "max_answer_tokens": 40}, reward={"epochs": 1, "likelihood": 0.5})
    sft = Policy.load(models / "sft")
    with torch.no_grad():
        sft.model.get_input_embeddings().weight.mul_(5)  # peaked: 1 nat for a letter again, 15 for another one
    sft.save(round.workspace.checkpoint("sft"))
    sums = {}
    answers: dict[SplitName, list[tuple[str, str]]] = {"train": [("z" * (20 + ix), "a" * 20) for ix in range(20)]}
    answers["judge"] = [(f"{'yes, ' * (1 + ix % 5)}{ix}", f"no {ix}") for ix in range(30)]
    for split in answers:
        pairs = [
            preference(ix, split)._replace(chosen=chosen, rejected=rejected)
            for ix, (chosen, rejected) in enumerate(answers[split])
        ]
        tables.write(table(round.workspace.preferences, split), preference_table(pairs))
        prompts = [prompt.ids for prompt in encode_prompts(sft.tokenizer, [pair.prompt for pair in pairs], 128)]
        texts = [encode_answers(sft.tokenizer, each, 40) for each in zip(*answers[split], strict=True)]
        nats = np.array([sft.logprobs(pad(prompts, each, 0)).sum(1).tolist() for each in texts])
        sums[split] = nats, np.array([[len(text) for text in each] for each in texts])
    tables.write(table(round.workspace.preferences, "votes"), vote_table([]))
    reward(round, Logged())
    (nats, tokens), surprisals = sums["judge"], [-nats.sum() / tokens.sum() for nats, tokens in sums.values()]
    margins = [nats[0] - nats[1] + surprisal * (tokens[0] - tokens[1]) for surprisal in surprisals]
    expected = np.corrcoef(margins)[0, 1]
    numbers = read_json(round.workspace.report("reward"))["metrics"]
    assert numbers["start_correlation"] == pytest.approx(expected, abs=1e-4)
    assert abs(expected) < 0.99


def test_without_a_likelihood_term_there_is_no_correlation_before_training(tmp_path: Path, models: Path) -> None:
    round = opened(tmp_path, reward={"epochs": 1, "likelihood": 0})
    put(models / "sft", round.workspace.checkpoint("sft"))
    for split in ("train", "judge"):
        write_preferences(round.workspace, split, 20)
    reward(round, Logged())
    assert "start_correlation" not in read_json(round.workspace.report("reward"))["metrics"]


def test_one_model_at_a_time_is_in_memory(tmp_path: Path, models: Path) -> None:
    round, counted = opened(tmp_path, reward={"epochs": 1}), ModelsCounted()
    put(models / "sft", round.workspace.checkpoint("sft"))
    write_preferences(round.workspace, "train", 20)
    write_preferences(round.workspace, "judge", 20)
    reward(round, counted)
    assert counted.most == 1
