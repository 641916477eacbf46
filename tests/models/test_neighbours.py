"""The training pairs with an answer most similar to a text in the reward model's hidden states."""

from typing import Any

import numpy as np
import pytest
import torch

from models.neighbours import hidden_states, nearest
from models.reward import RewardModel
from models.scorer import Scorer
from tests.models.test_scorer import tiny


def model() -> RewardModel:
    return RewardModel(Scorer.from_policy(tiny(), 0.0, surprise=0.0), prompt_limit=24, answer_limit=12)


def pair(prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    return {"prompt": [{"role": "user", "content": prompt}], "chosen": chosen, "rejected": rejected}


DATA = [pair("a", "thanks", "go away"), pair("b", "no idea", "it is on its way"), pair("a", "yes", "where is it")]


def test_the_same_text_is_nearest_and_its_side_is_reported() -> None:
    [first, *_] = nearest(model(), DATA[1]["prompt"], "it is on its way", DATA, count=3)
    assert (first.row, first.side) == (1, "rejected")
    assert first.similarity == pytest.approx(1.0, abs=1e-5)
    [first, *_] = nearest(model(), DATA[0]["prompt"], "thanks", DATA, count=3)
    assert (first.row, first.side) == (0, "chosen")


def test_at_most_count_neighbours_by_decreasing_similarity() -> None:
    neighbours = nearest(model(), DATA[0]["prompt"], "go", DATA, count=2)
    assert len(neighbours) == 2
    assert 1 >= neighbours[0].similarity >= neighbours[1].similarity >= -1
    assert len(nearest(model(), DATA[0]["prompt"], "go", DATA, count=9)) == 3
    assert nearest(model(), DATA[0]["prompt"], "go", [], count=2) == []


def test_the_head_applied_to_the_hidden_states_gives_the_scores() -> None:
    reward_model = model()
    torch.nn.init.normal_(reward_model.scorer.head.weight)
    prompts = [row["prompt"] for row in DATA]
    answers = [row["chosen"] for row in DATA]
    with torch.no_grad():
        states = torch.from_numpy(hidden_states(reward_model, prompts, answers))
        scores = reward_model.scorer.head(states).squeeze(1)
    assert scores.numpy() == pytest.approx(reward_model.score(prompts, answers).numpy(), abs=1e-5)


def test_hidden_states_are_centred_before_the_cosine() -> None:
    """Without centring, a direction common to all answers would make all similarities nearly equal."""
    neighbours = nearest(model(), DATA[0]["prompt"], "thanks", DATA, count=3)
    assert np.ptp([neighbour.similarity for neighbour in neighbours]) > 0.1
