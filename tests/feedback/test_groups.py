from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from feedback.groups import assign, prompt_groups, regroup
from feedback.schema import GroupedPrompt, Message, prompt_id
from tests.feedback.examples import asked, event

LONG = "can you tell me how to open a savings account"

Prompt = tuple[Message, ...]


def same(*prompts: Prompt) -> bool:
    return len(set(prompt_groups(prompts))) == 1


def by_id(*prompts: Prompt) -> dict[str, Prompt]:
    return {prompt_id(prompt): prompt for prompt in prompts}


def test_case_punctuation_and_white_space_make_no_other_question() -> None:
    assert same(asked("How do I return it?"), asked("how do  I return it"), asked("How do I... return it!"))


def test_a_word_more_at_the_end_of_seven_is_the_same_question() -> None:
    # 13 grams, 15 with the word: 13/15 = .867. Of six words: 11/13 = .846.
    assert same(asked("one two three four five six seven"), asked("one two three four five six seven please"))
    assert not same(asked("one two three four five six"), asked("one two three four five six please"))


def test_another_noun_is_another_question() -> None:
    assert not same(asked("How do I return the kettle?"), asked("How do I return the lamp?"))


def test_conversations_with_the_same_opening_stay_together() -> None:
    assert same(asked("Hello there!", "Hi.", "Tell me a joke."), asked("hello there", "Good day.", "What is 2 + 2?"))
    assert same((Message(role="system", content="Be brief."), *asked("Hello there")), asked("Hello there"))


def test_prompts_without_words_are_told_apart() -> None:
    assert not same(asked("???"), asked("!!!"))
    assert not same(asked("怎么退货"), asked("在哪里付款"))


def test_a_prompt_without_a_human_turn_is_grouped_by_its_first() -> None:
    system = Message(role="system", content="Write a poem.")
    assert same((system,), (system, system))


def test_templates_do_not_melt_into_one_group() -> None:
    items = ["kettle", "lamp", "phone", "desk", "rug", "sofa", "mirror", "clock", "fan", "radio", "watch", "chair"]
    asks = ["how do I return the {}?", "where is my order of the {}?", "can I pay for the {} in parts?"]
    openers = ["", "Hi, ", "Hello there, ", "Excuse me, ", "Good morning, "]
    closers = ["", " Thanks!", " It is urgent.", " Please help.", " Best wishes from Anna."]
    prompts = [
        (item, opener + ask.format(item) + closer)
        for item in items
        for ask in asks
        for opener in openers
        for closer in closers
    ]
    groups = prompt_groups([asked(text) for _, text in prompts])
    items_of = {(group, item) for group, (item, _) in zip(groups, prompts, strict=True)}
    assert len(items_of) == len(set(groups)), "no group holds two items"
    assert max(Counter(groups).values()) <= 15


@settings(deadline=None, max_examples=20)
@given(st.permutations([LONG, LONG + " please", LONG + " now", "what is the time", "what is the time now", "why"]))
def test_order_does_not_change_a_group(texts: list[str]) -> None:
    first = prompt_groups([asked(text) for text in sorted(texts)])
    assert dict(zip(sorted(texts), first, strict=True)) == dict(
        zip(texts, prompt_groups([asked(text) for text in texts]), strict=True)
    )


def test_a_new_prompt_joins_the_group_of_a_known_one() -> None:
    known, new = asked(LONG), asked(LONG + " please")
    assert assign(by_id(known, new), {prompt_id(known): "old"}) == {prompt_id(known): "old", prompt_id(new): "old"}


def test_a_bridge_joins_the_first_known_group_and_both_stay() -> None:
    # the bridge is near both; each drops its other end: 17/19 = .89 to the bridge, 15/19 = .79 to each other
    left, bridge, right = (asked(LONG), asked("now " + LONG), asked("now " + LONG.rsplit(" ", 1)[0]))
    assert not same(left, right)
    known = {prompt_id(right): "first", prompt_id(left): "second"}
    groups = assign(by_id(left, bridge, right), known)
    assert groups == {prompt_id(left): "second", prompt_id(right): "first", prompt_id(bridge): "first"}


texts = st.lists(st.sampled_from("abc").flatmap(lambda c: st.integers(1, 12).map(lambda n: f"{c} " * n)), max_size=8)


@settings(deadline=None, max_examples=40)
@given(texts, texts)
def test_a_known_group_never_changes(before: list[str], after: list[str]) -> None:
    first = assign(by_id(*map(asked, before)), {})
    second = assign(by_id(*map(asked, [*before, *after])), first)
    assert first.items() <= second.items()


def test_regroup_fills_groups_in_and_keeps_those_that_a_source_states() -> None:
    stated = event(LONG, native="1", prompt_group="by item")
    near, far = event(LONG + " please", native="2"), event("Why?", native="3")
    assert [found.prompt_group for found in regroup([near, far, stated])] == ["by item", far.prompt_id, "by item"]


def test_regroup_prefers_what_is_stored() -> None:
    new = event(LONG + " please", native="1")
    stored = GroupedPrompt(prompt_id(asked(LONG)), "old", asked(LONG))
    assert regroup([new], [stored])[0].prompt_group == "old"
