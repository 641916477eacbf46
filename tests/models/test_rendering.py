import os
import signal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from core.errors import BadModel
from models import rendering
from models.scratch import TEMPLATE, train_tokenizer
from models.tokens import encode_prompts

OTHER = TEMPLATE + "{# not ours #}"
BYTES = train_tokenizer([], 261)
BYTES.chat_template = OTHER
ASKED = [[{"role": "user", "content": "Is it open?"}]]

contents = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(["<|end|>", "a<|user|>b"])


@settings(deadline=None, max_examples=30)
@given(st.lists(contents, min_size=1, max_size=4), st.booleans(), st.booleans())
def test_a_child_gives_the_same_ids(texts: list[str], generation_prompt: bool, sanitize: bool) -> None:
    chats = [[{"role": "system", "content": text}, {"role": "user", "content": text}] for text in texts]
    expected = BYTES.apply_chat_template(
        chats, add_generation_prompt=generation_prompt, sanitize_control_tokens=sanitize, return_dict=False
    )
    assert rendering.chat_ids(BYTES, chats, generation_prompt, sanitize) == expected


def test_more_than_a_batch_stays_in_order() -> None:
    chats = [[{"role": "user", "content": str(number)}] for number in range(rendering.BATCH + 10)]
    texts = rendering.render(BYTES, chats)
    assert [f">{number}<" in text for number, text in enumerate(texts)] == [True] * len(chats)


def test_special_tokens_are_known_to_the_template(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = "{{ messages[0].content }}{{ eos_token }}"
    assert rendering.render(tokenizer, ASKED) == ["Is it open?<|end|>"]


@pytest.mark.parametrize(
    ("template", "fact"),
    [
        ("{% for i in range(10**9) %}{% endfor %}", "OverflowError"),
        ("{% include '/etc/passwd' %}", "TypeError"),
        ("{% import '/etc/passwd' as passwords %}", "TypeError"),
        ("{{ messages.__class__.__base__.__subclasses__() }}", "SecurityError"),
        ("{{ 'a' * 10**11 }}", "512 MiB"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
        ("{{ 'a' * 65000000 }}", "64,000,000"),
    ],
)
def test_a_template_that_fails_in_itself_stops_the_round(
    tokenizer: PreTrainedTokenizerFast, template: str, fact: str
) -> None:
    tokenizer.chat_template = template
    with pytest.raises(BadModel, match=fact):
        encode_prompts(tokenizer, ASKED, 64)
    with pytest.raises(BadModel, match=fact):  # with marked control tokens, the template is compiled here too
        encode_prompts(tokenizer, [[{"role": "user", "content": "<|end|>"}]], 64)
    tokenizer.chat_template = OTHER
    assert encode_prompts(tokenizer, ASKED, 64)


def test_an_endless_template_is_stopped(tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "SECONDS", 1)
    tokenizer.chat_template = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    with pytest.raises(BadModel, match="computes for more than 1 s"):
        rendering.render(tokenizer, ASKED)


def test_a_child_that_was_killed_is_replaced() -> None:
    rendering.render(BYTES, ASKED)
    process = rendering._current[0]._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with pytest.raises(BadModel, match="status -9"):
        rendering.render(BYTES, ASKED)
    assert rendering.render(BYTES, ASKED)


def test_a_refusal_by_the_template_is_one_of_the_prompt(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    rendering.check(tokenizer, "base")
    tokenizer.chat_template = "{{ raise_exception('never') }}"
    with pytest.raises(BadModel, match=r"model\.base=base.*refuses every conversation \(never\)"):
        rendering.check(tokenizer, "base")
