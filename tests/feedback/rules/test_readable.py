"""The rule `readable`: each component by hand, and its base rates in answers of a real model."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.plugins import find, make
from feedback import everyday
from feedback.probes import user_prompt
from feedback.rules import HOLDS, TIE, Rule, base_rates
from feedback.rules.readable import Readable, medium_sentences, substance, to_the_reader
from feedback.schema import Prompt

PROMPT = user_prompt("How do I boil an egg?")
SAMPLES = Path(__file__).parent / "answers_of_smollm2_135m_instruct.jsonl"
"""Two answers to each of 32 everyday prompts by SmolLM2-135M-Instruct (4-bit weights, dequantised), at temperature .7
and with at most 64 tokens."""

FULL = (
    "Put the egg into boiling water with a spoon and wait for about seven long minutes. "
    "Then cool it under the tap, so that you can peel the shell off without burning yourself."
)
"""32 words, 29 of them different, in two sentences of 15 and 17 words, of which one addresses the reader."""


def samples() -> list[tuple[Prompt, str]]:
    records = [json.loads(line) for line in SAMPLES.read_text(encoding="utf-8").splitlines()]
    return [(user_prompt(record["prompt"]), record["answer"]) for record in records]


def test_a_full_answer_has_the_maximum() -> None:
    assert Readable().degrees(PROMPT, FULL) == dict.fromkeys(Readable.components, 1.0)
    assert Readable().utility(PROMPT, FULL) == 3.0


@pytest.mark.parametrize(
    ("answer", "lost"),
    [
        (FULL.replace(". Then", ".\n\nThen"), {"one_paragraph"}),
        ("1. " + FULL.replace(". Then", ". 2. Then"), {"one_paragraph"}),
        (FULL.replace("you can", "one can").replace("yourself", "the hand"), {"to_the_reader"}),
        (FULL[:-1], {"finished"}),
        (FULL.removesuffix(".") + "?", set()),
    ],
    ids=["two paragraphs", "a list", "not to the reader", "cut", "a question"],
)
def test_each_component_is_lost_alone(answer: str, lost: set[str]) -> None:
    degrees = Readable().degrees(PROMPT, answer)
    assert {name for name, degree in degrees.items() if degree < HOLDS} == lost


@pytest.mark.parametrize("answer", ["", " \n", "Yes.", "You can do it in seven minutes."])
def test_an_empty_or_short_answer_has_no_utility(answer: str) -> None:
    assert Readable().utility(PROMPT, answer) == 0.0


@given(st.lists(st.sampled_from(["you", "Your.", "egg", "1.", "a!", "\n", "it's"]), max_size=7))
def test_fewer_than_eight_words_have_no_utility(parts: list[str]) -> None:
    assert Readable().utility(PROMPT, " ".join(parts)) == 0.0


@given(st.text())
def test_degrees_are_between_0_and_1(answer: str) -> None:
    assert all(0 <= degree <= 1 for degree in Readable().degrees(PROMPT, answer).values())


def test_substance_counts_different_words() -> None:
    assert substance("a b c d e f g") == 0.0
    assert substance("a b c d e f g h") == pytest.approx(8 / 24)
    assert substance("You can. " * 20) == pytest.approx(2 / 24)  # repeating oneself is no way out
    assert substance(" ".join(f"w{number}" for number in range(30))) == 1.0


@pytest.mark.parametrize(
    ("answer", "degree"),
    [("You go. I go. He goes. She goes.", 0.5), ("You go. He goes.", 1.0), ("We all go.", 0.0), ("YOURS, truly.", 1.0)],
)
def test_the_share_of_sentences_to_the_reader_counts_twice(answer: str, degree: float) -> None:
    assert to_the_reader(answer) == degree


@pytest.mark.parametrize(
    ("mean", "degree"), [(5, 0.0), (10, 0.0), (13, 0.5), (16, 1.0), (19, 1.0), (22.5, 0.5), (26, 0.0), (40, 0.0)]
)
def test_the_length_of_sentences(mean: float, degree: float) -> None:
    answer = ". ".join(" ".join(["word"] * count) for count in (int(mean), int(2 * mean) - int(mean)))
    assert medium_sentences(answer) == pytest.approx(degree)


def test_weights_are_knobs() -> None:
    rule = make("feedback.rules", "readable", {"one_paragraph": 2.0, "finished": 0.0})
    assert rule.utility(PROMPT, FULL) == 3.5
    assert find("feedback.rules", "readable") is Readable


# Base rates, which say whether the rule gives a signal on a real model


def test_each_component_holds_in_some_answers_of_a_real_model() -> None:
    rates = base_rates(Readable(), samples())
    assert rates.answers == 64
    assert all(0.1 <= share <= 0.7 for share in rates.holds.values()), rates.holds
    assert rates.utility == pytest.approx(1.460, abs=0.001)


def test_few_pairs_of_answers_of_a_real_model_tie() -> None:
    utilities = [Readable().utility(*sample) for sample in samples()]
    ties = [abs(first - second) <= TIE for first, second in list(pairwise(utilities))[::2]]
    assert sum(ties) / len(ties) < 0.2


def test_demonstrations_have_a_high_utility() -> None:
    shown = [(user_prompt(prompt), answer) for prompt, answer in everyday.demonstrations()]
    assert base_rates(Readable(), shown).utility > 2.9
    assert min(Readable().utility(*each) for each in shown) > 2.5


def test_base_rates_need_answers() -> None:
    with pytest.raises(ValueError, match="no answers"):
        base_rates(Readable(), [])


class _Longer(Rule):
    """A rule without weights."""

    def degrees(self, prompt: Prompt, answer: str) -> dict[str, float]:
        return {"long": min(1.0, len(answer) / 10)}


def test_a_component_without_a_weight_counts_once() -> None:
    assert _Longer().utility(PROMPT, "12345") == 0.5
    assert base_rates(_Longer(), [(PROMPT, "12345"), (PROMPT, "1")]).holds == {"long": 0.5}
