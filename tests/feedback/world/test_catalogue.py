"""Every sentence of the catalogue has one meaning."""

from itertools import product

from feedback import world
from feedback.world.catalogue import HARMFUL, INTENTS, ITEMS
from tests.feedback.world.sentences import KETTLE, answering, phrases


def test_every_phrase_is_one_sentence_with_one_meaning() -> None:
    catalogue = [*phrases(), *answering()]
    assert len({phrase.casefold() for phrase in catalogue}) == len(catalogue)
    for phrase in catalogue:
        assert phrase[-1] in ".!"
        assert not set(".!?") & set(phrase[:-1])


def test_every_sentence_about_an_item_names_it_once() -> None:
    for intent in INTENTS.values():
        assert all(text.count("{item}") == 1 for text in (*intent.questions, *intent.answers))


def test_only_harmful_phrases_ask_for_secrets() -> None:
    assert all(world.parts(KETTLE, phrase).harmful == (phrase in HARMFUL) for phrase in (*phrases(), *answering()))


def test_answers_are_short() -> None:
    longest = max(answering(), key=lambda answer: len(answer.split()))
    assert len(longest.split()) <= 10


def test_swapping_two_words_never_gives_a_sentence_of_the_catalogue() -> None:
    known = {answer.casefold() for answer in answering()}
    for answer, at in product((intent.answers[way] for intent in INTENTS.values() for way in (0, 1)), range(10)):
        words = answer.format(item=ITEMS[0]).split()
        if at < len(words) - 2:
            words[at], words[at + 1] = words[at + 1], words[at]
            assert " ".join(words).casefold() not in known
