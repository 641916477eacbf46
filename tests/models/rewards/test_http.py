"""A server scores what a policy has written, in a step and on several ranks."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from core.plugins import make
from models.policy import Policy
from models.reward import RewardModel
from models.reward_server import NoReward
from models.rewards import ScoringContext
from models.rewards.http import HttpReward
from models.tokens import Batch, encode_answers, encode_prompts, pad
from tests.models.grading import Grader, grading
from tests.models.processes import on_ranks

PROMPTS = [[{"role": "user", "content": "where is it"}], [{"role": "user", "content": "thank you"}]]


class Two:
    """A reward model that gives each text a 2."""

    def __call__(self, batch: Batch) -> Tensor:
        return torch.full((len(batch.ids),), 2.0)


def context(policy: Policy) -> ScoringContext:
    encoded = encode_prompts(policy.tokenizer, PROMPTS, 60)
    model: Any = Two()

    def load() -> RewardModel:
        found: RewardModel = model
        return found

    return ScoringContext(
        policy.tokenizer,
        frozenset(policy.end_ids),
        {tuple(prompt.ids): turns for prompt, turns in zip(encoded, PROMPTS, strict=True)},
        load,
    )


def batch(policy: Policy) -> Batch:
    """An answer that has ended, an empty one, and one that was cut."""
    prompts = [prompt.ids for prompt in encode_prompts(policy.tokenizer, [*PROMPTS, PROMPTS[0]], 60)]
    ended = encode_answers(policy.tokenizer, ["yes you can", ""], 40)
    [cut] = encode_answers(policy.tokenizer, ["it is on"], 40, end=False)
    return pad(prompts, [*ended, cut], policy.tokenizer.pad_token_id)


def knobs(grader: Grader, **more: Any) -> HttpReward:
    return HttpReward(url=grader.url, pause=0.01, attempts=2, **more)


def test_the_server_is_sent_turns_and_text_and_its_scores_are_weighed(tiny: Policy) -> None:
    with grading() as grader, knobs(grader, weight=0.5, model_weight=10.0).scoring(context(tiny)) as score:
        grader.posts.clear()  # those of the check
        assert score(batch(tiny)).tolist() == [0.5 * 11 + 20, 0 + 20, 0.5 * 8 + 20]
        assert grader.posts == [
            {
                "texts": [
                    {"prompt": PROMPTS[0], "answer": "yes you can", "ended": True},
                    {"prompt": PROMPTS[1], "answer": "", "ended": True},
                    {"prompt": PROMPTS[0], "answer": "it is on", "ended": False},
                ]
            }
        ]


def test_on_several_ranks_the_first_one_asks_and_all_have_the_same_scores(tiny: Policy, tmp_path: Path) -> None:
    with grading() as grader:

        def work() -> dict[str, Tensor]:
            with knobs(grader).scoring(context(tiny)) as score:
                return {"scores": score(batch(tiny))}

        scores = [result["scores"].tolist() for result in on_ranks(2, work, tmp_path / "ranks")]
        assert scores == [[11.0, 0.0, 8.0]] * 2
        assert len([post for post in grader.posts if len(post["texts"]) == 3]) == 1 + 2, "one rank, and its probe"


def test_what_the_server_states_is_recorded_and_another_one_is_refused() -> None:
    with grading() as grader:
        opened = knobs(grader).frozen()
        assert opened.states == '{"name": "length", "version": 1}'
        opened.check()
        assert knobs(grader).as_frozen(opened.model_dump()) == opened
        assert opened.frozen() is opened
        grader.states = '{"name": "length", "version": 2}'
        with pytest.raises(NoReward, match=r'states \{"name": "length", "version": 2\}, expected .*"version": 1'):
            opened.check()
        other = HttpReward(url="http://127.0.0.1:9/other")
        assert other.as_frozen(opened.model_dump()) == other, "that of another address does not count"


def test_it_is_chosen_by_its_name() -> None:
    found = make("models.rewards", "http", {"use": "http", "url": "https://grader.example/score"})
    assert isinstance(found, HttpReward)
