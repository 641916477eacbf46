from typing import Any

import pytest

from models import sft, truncation
from models.policy import ModelSettings, Policy, build

SHAPE = {"width": 16, "layers": 1, "heads": 2, "feed_forward": 32, "vocabulary": 300}
LIMITS = ModelSettings.model_validate(SHAPE | {"max_prompt_tokens": 12, "max_answer_tokens": 10})


@pytest.fixture(scope="module")
def policy() -> Policy:
    return build(LIMITS, ["word good bad"] * 3)


def row(prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    return {"prompt": [{"role": "user", "content": prompt}], "chosen": chosen, "rejected": rejected}


def test_cut_prompts_and_answers_are_counted_once(policy: Policy) -> None:
    long = "word " * 40
    rows = [row("hi", "good", "bad"), row("hi", "good", long + "good"), row(long, long + "good", long + "bad")]
    lost = truncation.measure(policy.tokenizer, rows, 12, 10)
    assert (lost.prompts, lost.cut_prompts, lost.answers, lost.cut_answers) == (2, 1, 4, 2)
    assert (lost.prompt_share, lost.answer_share) == (0.5, 0.5)
    assert lost.equal == {2}


def test_an_answer_of_exactly_the_limit_is_not_cut(policy: Policy) -> None:
    [ids] = policy.tokenizer(["good bad word"], add_special_tokens=False)["input_ids"]
    assert truncation.cut(policy.tokenizer, ["good bad word"], len(ids)) == 0
    assert truncation.cut(policy.tokenizer, ["good bad word"], len(ids) - 1) == 1


def test_demonstrations_that_are_cut_are_counted(policy: Policy) -> None:
    rows = [{"prompt": row("hi", "", "")["prompt"], "completion": text, "weight": 1.0} for text in ("ok", "word " * 40)]
    assert sft.encode(policy.tokenizer, rows, LIMITS).cut_answers == 1
