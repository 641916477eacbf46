"""Attribution: shares that sum to the score, exact where the score is linear in them."""

import pytest
import torch

from core.errors import BadFeedback
from models.attribution import Attribution, attribute
from models.policy import Policy
from models.reward import RewardModel
from models.scorer import Scorer
from models.tokens import encode_answers, encode_prompts, pad
from tests.models.test_scorer import ARCHITECTURES, tiny

PROMPT = [{"role": "user", "content": "where is my parcel"}]
ANSWER = "it is on its way"


def with_random_head(name: str = "llama", likelihood: float = 0.5) -> RewardModel:
    """A reward model whose head has something to say, on a scale of its own."""
    scorer = Scorer.from_policy(tiny(name), likelihood, surprise=3.0)
    torch.manual_seed(1)
    torch.nn.init.normal_(scorer.head.weight)
    return RewardModel(scorer, prompt_limit=32, answer_limit=24, mean=0.4, std=2.5)


def total(attribution: Attribution) -> float:
    return attribution.blank + sum(piece.total for piece in attribution.pieces)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("likelihood", [0.0, 0.5])
def test_the_shares_sum_to_the_score(name: str, likelihood: float) -> None:
    model = with_random_head(name, likelihood)
    attribution = attribute(model, PROMPT, ANSWER)
    assert attribution.score == pytest.approx(model.score([PROMPT], [ANSWER]).item(), abs=1e-5)
    assert total(attribution) == pytest.approx(attribution.score, abs=1e-3)
    assert attribution.error == pytest.approx(attribution.score - total(attribution), abs=1e-5)


def test_more_steps_leave_less_out() -> None:
    errors = [abs(attribute(with_random_head(), PROMPT, ANSWER, [steps]).error) for steps in (1, 4, 64)]
    assert errors[0] > errors[1] > errors[2]


def test_what_the_language_model_says_is_told_token_by_token() -> None:
    model = with_random_head()
    tokenizer = model.scorer.tokenizer
    [context], [ids] = encode_prompts(tokenizer, [PROMPT], 32), encode_answers(tokenizer, [ANSWER], 24)
    logprobs = model.scorer.network.logprobs(pad([context.ids], [ids], tokenizer.pad_token_id))[0]
    attribution = attribute(model, PROMPT, ANSWER)
    assert len(attribution.pieces) == len(ids)
    expected = (0.5 * (logprobs[len(context.ids) :] + 3.0) / 2.5).tolist()
    assert [piece.likelihood for piece in attribution.pieces] == pytest.approx(expected, abs=1e-5)


def test_a_head_that_says_nothing_gives_the_tokens_nothing() -> None:
    model = with_random_head(likelihood=0.0)
    torch.nn.init.zeros_(model.scorer.head.weight)
    attribution = attribute(model, PROMPT, ANSWER)
    assert [piece.total for piece in attribution.pieces] == [0.0] * len(attribution.pieces)
    assert attribution.blank == pytest.approx((model.scorer.head.bias.item() - 0.4) / 2.5)


def test_an_answer_that_only_ends_is_the_blank_one() -> None:
    """EOS keeps its place on the way from the blank answer, so that it gains nothing."""
    assert attribute(with_random_head(likelihood=0.0), PROMPT, ANSWER).pieces[-1].head == 0.0


def test_what_does_not_fit_is_counted() -> None:
    attribution = attribute(with_random_head(), PROMPT, "x " * 60)
    ids = with_random_head().scorer.tokenizer("x " * 60)["input_ids"]
    assert (len(attribution.pieces), attribution.cut) == (24, len(ids) + 1 - 24)  # its EOS was cut as well
    assert attribute(with_random_head(), PROMPT, "x").cut == 0


def test_bytes_of_one_character_are_one_piece() -> None:
    attribution = attribute(with_random_head(), PROMPT, "naïve 漢")
    assert "".join(piece.text for piece in attribution.pieces).startswith("naïve 漢")
    assert [piece.text for piece in attribution.pieces if not piece.text.isascii()] == ["ï", "漢"]


def planted(tiny: Policy, end: tuple[float, float] = (0.0, 1.0)) -> RewardModel:
    """A reward model that counts one word and cannot have learned anything else: every weight is set by hand.

    The word's tokens point along the first axis, which is what the head reads; all others along the second, and the
    blank answer's end wherever `end` says. Attention is the mean of what came before, the MLP adds nothing.
    """
    scorer = Scorer.from_policy(tiny, likelihood=0.0, surprise=0.0)
    axes, table = torch.eye(16), scorer.network.model.get_input_embeddings().weight
    with torch.no_grad():
        for layer in scorer.network.model.base_model.layers:
            for weight in (layer.self_attn.q_proj.weight, layer.self_attn.k_proj.weight, layer.mlp.down_proj.weight):
                weight.zero_()
            for weight in (layer.self_attn.v_proj.weight, layer.self_attn.o_proj.weight):
                weight.copy_(axes)
        table.copy_(axes[1].expand_as(table))
        table[scorer.tokenizer("thanks")["input_ids"]] = axes[0]
        table[scorer.tokenizer.eos_token_id, :2] = torch.tensor(end)
        scorer.head.weight.copy_(axes[:1])
    return RewardModel(scorer, prompt_limit=24, answer_limit=12)


def test_a_word_that_decides_gets_the_credit(tiny: Policy) -> None:
    good, other = (attribute(planted(tiny), PROMPT, answer) for answer in ("thanks 5", "you can 5"))
    words = [piece.head for piece in good.pieces if piece.text.strip().isalpha()]
    assert good.score - good.blank > 0.5
    assert sum(words) == pytest.approx(good.score - good.blank, abs=1e-3)
    assert min(words) > 0.1  # each of its tokens
    assert [piece.head for piece in other.pieces] == pytest.approx([0.0] * len(other.pieces), abs=1e-3)


def test_a_score_that_turns_sharply_takes_a_closer_look(tiny: Policy) -> None:
    """On the way from an end that is nearly the word's opposite, the normalised embedding turns round all at once."""
    smooth, sharp = (attribute(planted(tiny, end), PROMPT, "thanks 5") for end in ((0.0, 1.0), (-0.1, 0.01)))
    assert sharp.steps > smooth.steps == 32
    assert abs(sharp.error) < 0.01


def test_an_empty_answer_has_nothing_to_explain() -> None:
    with pytest.raises(BadFeedback, match="--answer"):
        attribute(with_random_head(), PROMPT, "  ")
