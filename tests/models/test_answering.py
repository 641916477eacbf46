import pytest

from models.answering import answer, divergence
from models.policy import ModelSettings, Policy
from models.rollout import SamplingSettings

PROMPTS = [[{"role": "user", "content": text}] for text in ("where is my parcel", "thank you")]
LIMITS = ModelSettings(max_answer_tokens=3)


def test_one_answer_per_prompt_within_the_limit(tiny: Policy) -> None:
    answers = answer(tiny, PROMPTS, SamplingSettings(), LIMITS, seed=1)
    assert len(answers.texts) == 2
    assert answers.tokens.max() <= 3
    assert answers.cut_prompts == 0
    assert answer(tiny, PROMPTS, SamplingSettings(), LIMITS, seed=1).texts == answers.texts


def test_a_policy_has_no_divergence_from_itself(tiny: Policy) -> None:
    rollout = answer(tiny, PROMPTS, SamplingSettings(), LIMITS, seed=1).rollout
    assert divergence(rollout, 1.0, tiny) == pytest.approx([0, 0], abs=1e-5)
