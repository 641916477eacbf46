"""The training pairs whose answers the reward model takes for nearly the same."""

from typing import Any

import numpy as np
import pytest
import torch

from models.neighbours import nearest, states
from models.reward import RewardModel
from models.scorer import Scorer
from tests.models.test_scorer import tiny


def model() -> RewardModel:
    return RewardModel(Scorer.from_policy(tiny(), 0.0, surprise=0.0), prompt_limit=24, answer_limit=12)


def pair(prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    return {"prompt": [{"role": "user", "content": prompt}], "chosen": chosen, "rejected": rejected}


DATA = [pair("a", "thanks", "go away"), pair("b", "no idea", "it is on its way"), pair("a", "yes", "where is it")]


def test_the_same_text_is_the_nearest_one_and_says_on_which_side_it_stood() -> None:
    [first, *_] = nearest(model(), DATA[1]["prompt"], "it is on its way", DATA, count=3)
    assert (first.row, first.side) == (1, "rejected")
    assert first.similarity == pytest.approx(1.0, abs=1e-5)
    [first, *_] = nearest(model(), DATA[0]["prompt"], "thanks", DATA, count=3)
    assert (first.row, first.side) == (0, "chosen")


def test_as_many_as_asked_for_the_nearest_first() -> None:
    found = nearest(model(), DATA[0]["prompt"], "go", DATA, count=2)
    assert len(found) == 2
    assert 1 >= found[0].similarity >= found[1].similarity >= -1
    assert len(nearest(model(), DATA[0]["prompt"], "go", DATA, count=9)) == 3
    assert nearest(model(), DATA[0]["prompt"], "go", [], count=2) == []


def test_a_state_is_what_the_head_reads() -> None:
    asked = model()
    torch.nn.init.normal_(asked.scorer.head.weight)
    prompts = [row["prompt"] for row in DATA]
    answers = [row["chosen"] for row in DATA]
    with torch.no_grad():
        said = asked.scorer.head(torch.from_numpy(states(asked, prompts, answers))).squeeze(1)
    assert said.numpy() == pytest.approx(asked.score(prompts, answers).numpy(), abs=1e-5)


def test_similarity_does_not_mind_how_long_a_state_is() -> None:
    """All answers less their mean: one direction that they have in common says nothing."""
    found = nearest(model(), DATA[0]["prompt"], "thanks", DATA, count=3)
    assert np.ptp([one.similarity for one in found]) > 0.1
