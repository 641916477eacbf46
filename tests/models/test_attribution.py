"""Attribution of a score to tokens: completeness, exactness of the likelihood part, pieces of text."""

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


def random_head_model(name: str = "llama", likelihood: float = 0.5) -> RewardModel:
    """A reward model with random head weights, mean 0.4 and standard deviation 2.5."""
    scorer = Scorer.from_policy(tiny(name), likelihood, surprise=3.0)
    torch.manual_seed(1)
    torch.nn.init.normal_(scorer.head.weight)
    return RewardModel(scorer, prompt_limit=32, answer_limit=24, mean=0.4, std=2.5)


def total(attribution: Attribution) -> float:
    return attribution.blank + sum(piece.total for piece in attribution.pieces)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("likelihood", [0.0, 0.5])
def test_attributions_sum_to_the_score(name: str, likelihood: float) -> None:
    model = random_head_model(name, likelihood)
    attribution = attribute(model, PROMPT, ANSWER)
    assert attribution.score == pytest.approx(model.score([PROMPT], [ANSWER]).item(), abs=1e-6)
    assert total(attribution) == pytest.approx(attribution.score, abs=1e-3)
    assert attribution.error == pytest.approx(attribution.score - total(attribution), abs=1e-5)


def test_more_nodes_give_a_smaller_error() -> None:
    errors = [abs(attribute(random_head_model(), PROMPT, ANSWER, [steps]).error) for steps in (1, 4, 64)]
    assert errors[0] > errors[1] > errors[2]


def test_the_likelihood_of_each_token_is_exact() -> None:
    model = random_head_model()
    tokenizer = model.scorer.tokenizer
    [context], [ids] = encode_prompts(tokenizer, [PROMPT], 32), encode_answers(tokenizer, [ANSWER], 24)
    logprobs = response_logprobs(model.scorer.model, pad([context.ids], [ids], tokenizer.pad_token_id))[0]
    attribution = attribute(model, PROMPT, ANSWER)
    assert len(attribution.pieces) == len(ids)
    expected = (0.5 * (logprobs[len(context.ids) :] + 3.0) / 2.5).tolist()
    assert [piece.likelihood for piece in attribution.pieces] == pytest.approx(expected, abs=1e-5)


def test_a_zero_head_attributes_zero_to_every_token() -> None:
    model = random_head_model(likelihood=0.0)
    torch.nn.init.zeros_(model.scorer.head.weight)
    attribution = attribute(model, PROMPT, ANSWER)
    assert [piece.total for piece in attribution.pieces] == [0.0] * len(attribution.pieces)
    assert attribution.blank == pytest.approx((model.scorer.head.bias.item() - 0.4) / 2.5)


def test_the_final_eos_gets_no_attribution() -> None:
    """EOS is the same in the blank answer, so its difference is zero."""
    assert attribute(random_head_model(likelihood=0.0), PROMPT, ANSWER).pieces[-1].head == 0.0


def test_truncated_answer_tokens_are_counted() -> None:
    attribution = attribute(random_head_model(), PROMPT, "x " * 60)
    ids = random_head_model().scorer.tokenizer("x " * 60)["input_ids"]
    assert (len(attribution.pieces), attribution.cut) == (24, len(ids) + 1 - 24)  # its EOS was truncated as well
    assert attribute(random_head_model(), PROMPT, "x").cut == 0


def test_bytes_of_one_character_are_one_piece() -> None:
    attribution = attribute(random_head_model(), PROMPT, "naïve 漢")
    assert "".join(piece.text for piece in attribution.pieces).startswith("naïve 漢")
    assert [piece.text for piece in attribution.pieces if not piece.text.isascii()] == ["ï", "漢"]


def test_the_word_that_differs_gets_most_of_the_attribution(tiny: Policy) -> None:
    """In all pairs, an answer with "thanks" is preferred to one with "you can"."""
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
    # a score that changes sharply along the path needs more nodes
    assert good.steps > attribute(random_head_model(), PROMPT, ANSWER).steps


def test_an_empty_answer_is_refused() -> None:
    with pytest.raises(BadFeedback, match="--answer"):
        attribute(random_head_model(), PROMPT, "  ")
