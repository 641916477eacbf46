from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from feedback.groups import assign, prompt_groups, regroup
from feedback.schema import GroupedPrompt, Message, prompt_id
from tests.feedback.examples import chat, event

LONG = "can you tell me how to open a savings account"

Prompt = tuple[Message, ...]


def same(*prompts: Prompt) -> bool:
    return len(set(prompt_groups(prompts))) == 1


def by_id(*prompts: Prompt) -> dict[str, Prompt]:
    return {prompt_id(prompt): prompt for prompt in prompts}


def test_case_punctuation_and_white_space_do_not_matter() -> None:
    assert same(chat("How do I return it?"), chat("how do  I return it"), chat("How do I... return it!"))


def test_one_more_word_at_the_end_joins_from_seven_words_on() -> None:
    # seven words have 13 grams, eight have 15: 13/15 = .867. Six and seven words: 11/13 = .846.
    assert same(chat("one two three four five six seven"), chat("one two three four five six seven please"))
    assert not same(chat("one two three four five six"), chat("one two three four five six please"))


def test_short_questions_with_different_nouns_are_apart() -> None:
    assert not same(chat("How do I return the kettle?"), chat("How do I return the lamp?"))


def test_conversations_with_the_same_opening_are_one_group() -> None:
    assert same(chat("Hello there!", "Hi.", "Tell me a joke."), chat("hello there", "Good day.", "What is 2 + 2?"))
    assert same((Message(role="system", content="Be brief."), *chat("Hello there")), chat("Hello there"))


def test_different_prompts_without_words_are_apart() -> None:
    assert not same(chat("???"), chat("!!!"))
    assert not same(chat("怎么退货"), chat("在哪里付款"))


def test_a_prompt_without_a_user_turn_is_grouped_by_its_first_turn() -> None:
    system = Message(role="system", content="Write a poem.")
    assert same((system,), (system, system))


def test_templated_prompts_about_different_items_are_apart() -> None:
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
    groups = prompt_groups([chat(text) for _, text in prompts])
    items_by_group = {(group, item) for group, (item, _) in zip(groups, prompts, strict=True)}
    assert len(items_by_group) == len(set(groups)), "no group contains two items"
    assert max(Counter(groups).values()) <= 15


@settings(deadline=None, max_examples=20)
@given(st.permutations([LONG, LONG + " please", LONG + " now", "what is the time", "what is the time now", "why"]))
def test_the_order_of_prompts_does_not_matter(texts: list[str]) -> None:
    first = prompt_groups([chat(text) for text in sorted(texts)])
    assert dict(zip(sorted(texts), first, strict=True)) == dict(
        zip(texts, prompt_groups([chat(text) for text in texts]), strict=True)
    )


def test_a_new_prompt_joins_the_group_of_a_known_one() -> None:
    known, new = chat(LONG), chat(LONG + " please")
    assert assign(by_id(known, new), {prompt_id(known): "old"}) == {prompt_id(known): "old", prompt_id(new): "old"}


def test_a_prompt_near_two_known_groups_joins_the_first_and_does_not_merge_them() -> None:
    # similarity of each to the bridge: 17/19 = .89; to each other: 15/19 = .79
    left, bridge, right = (chat(LONG), chat("now " + LONG), chat("now " + LONG.rsplit(" ", 1)[0]))
    assert not same(left, right)
    known = {prompt_id(right): "first", prompt_id(left): "second"}
    groups = assign(by_id(left, bridge, right), known)
    assert groups == {prompt_id(left): "second", prompt_id(right): "first", prompt_id(bridge): "first"}


texts = st.lists(st.sampled_from("abc").flatmap(lambda c: st.integers(1, 12).map(lambda n: f"{c} " * n)), max_size=8)


@settings(deadline=None, max_examples=40)
@given(texts, texts)
def test_a_known_group_never_changes(before: list[str], after: list[str]) -> None:
    first = assign(by_id(*map(chat, before)), {})
    second = assign(by_id(*map(chat, [*before, *after])), first)
    assert first.items() <= second.items()


def test_regroup_fills_in_groups_and_keeps_those_set_by_a_source() -> None:
    stated = event(LONG, native="1", prompt_group="by item")
    near, far = event(LONG + " please", native="2"), event("Why?", native="3")
    assert [grouped.prompt_group for grouped in regroup([near, far, stated])] == ["by item", far.prompt_id, "by item"]


def test_regroup_prefers_stored_groups() -> None:
    new = event(LONG + " please", native="1")
    stored = GroupedPrompt(prompt_id(chat(LONG)), "old", chat(LONG))
    assert regroup([new], [stored])[0].prompt_group == "old"
