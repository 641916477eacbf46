"""Attribution: shares that sum to the score, exact where the score is linear in them."""

import pytest
import torch

from core.errors import BadFeedback
from models.attribution import Attribution, attribute
from models.policy import ModelSettings, Policy, response_logprobs
from models.reward import RewardModel, RewardSettings, fit
from models.scorer import Scorer
from models.tokens import encode_answers, encode_prompts, pad
from tests.models.test_scorer import ARCHITECTURES, tiny

PROMPT = [{"role": "user", "content": "where is my parcel"}]
ANSWER = "it is on its way"


def spoken(name: str = "llama", likelihood: float = 0.5) -> RewardModel:
    """A reward model whose head has something to say, on a scale of its own."""
    scorer = Scorer.from_policy(tiny(name), likelihood, surprise=3.0)
    torch.manual_seed(1)
    torch.nn.init.normal_(scorer.head.weight)
    return RewardModel(scorer, prompt_limit=32, answer_limit=24, mean=0.4, std=2.5)


def told(found: Attribution) -> float:
    return found.blank + sum(piece.total for piece in found.pieces)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("likelihood", [0.0, 0.5])
def test_the_shares_sum_to_the_score(name: str, likelihood: float) -> None:
    model = spoken(name, likelihood)
    found = attribute(model, PROMPT, ANSWER)
    assert found.score == pytest.approx(model.score([PROMPT], [ANSWER]).item(), abs=1e-6)
    assert told(found) == pytest.approx(found.score, abs=1e-3)
    assert found.error == pytest.approx(found.score - told(found), abs=1e-5)


def test_more_steps_leave_less_out() -> None:
    errors = [abs(attribute(spoken(), PROMPT, ANSWER, [steps]).error) for steps in (1, 4, 64)]
    assert errors[0] > errors[1] > errors[2]


def test_what_the_language_model_says_is_told_token_by_token() -> None:
    model = spoken()
    tokenizer = model.scorer.tokenizer
    [context], [ids] = encode_prompts(tokenizer, [PROMPT], 32), encode_answers(tokenizer, [ANSWER], 24)
    logprobs = response_logprobs(model.scorer.model, pad([context.ids], [ids], tokenizer.pad_token_id))[0]
    found = attribute(model, PROMPT, ANSWER)
    assert len(found.pieces) == len(ids)
    expected = (0.5 * (logprobs[len(context.ids) :] + 3.0) / 2.5).tolist()
    assert [piece.likelihood for piece in found.pieces] == pytest.approx(expected, abs=1e-5)


def test_a_head_that_says_nothing_gives_the_tokens_nothing() -> None:
    model = spoken(likelihood=0.0)
    torch.nn.init.zeros_(model.scorer.head.weight)
    found = attribute(model, PROMPT, ANSWER)
    assert [piece.total for piece in found.pieces] == [0.0] * len(found.pieces)
    assert found.blank == pytest.approx((model.scorer.head.bias.item() - 0.4) / 2.5)


def test_an_answer_that_only_ends_is_the_blank_one() -> None:
    """EOS keeps its place on the way from the blank answer, so that it gains nothing."""
    assert attribute(spoken(likelihood=0.0), PROMPT, ANSWER).pieces[-1].head == 0.0


def test_what_does_not_fit_is_counted() -> None:
    found = attribute(spoken(), PROMPT, "x " * 60)
    ids = spoken().scorer.tokenizer("x " * 60)["input_ids"]
    assert (len(found.pieces), found.cut) == (24, len(ids) + 1 - 24)  # its EOS was cut as well
    assert attribute(spoken(), PROMPT, "x").cut == 0


def test_bytes_of_one_character_are_one_piece() -> None:
    found = attribute(spoken(), PROMPT, "naïve 漢")
    assert "".join(piece.text for piece in found.pieces).startswith("naïve 漢")
    assert [piece.text for piece in found.pieces if not piece.text.isascii()] == ["ï", "漢"]


def test_a_word_that_decides_gets_the_credit(tiny: Policy) -> None:
    """Thanks are preferred to blame, wherever they stand: the word that differs carries the difference."""
    turns = [[{"role": "user", "content": f"parcel {i}"}] for i in range(96)]
    data = [
        {"prompt": turn, "chosen": f"thanks {i % 7}", "rejected": f"you can {i % 7}", "p_chosen": 1.0, "weight": 1.0}
        for i, turn in enumerate(turns)
    ]
    limits = ModelSettings(max_prompt_tokens=24, max_answer_tokens=12)
    model = fit(tiny, data, RewardSettings(epochs=4, batch=8, learning_rate=3e-3, likelihood=0.0), limits, seed=0)
    good = attribute(model, turns[0], "thanks 5")
    assert good.score - good.blank > 1
    assert abs(good.error) < 0.01
    words = sum(piece.head for piece in good.pieces if piece.text.strip().isalpha())
    assert words > 0.5 * (good.score - good.blank)
    assert good.steps > attribute(spoken(), PROMPT, ANSWER).steps  # a score that turns sharply takes a closer look


def test_an_empty_answer_has_nothing_to_explain() -> None:
    with pytest.raises(BadFeedback, match="--answer"):
        attribute(spoken(), PROMPT, "  ")
