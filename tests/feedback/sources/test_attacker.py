"""A simulated attacker, who poisons the feedback."""

from feedback.schema import Message
from feedback.sources import AnswerPair, Intake
from feedback.sources.attacker import Attacker
from feedback.world.catalogue import HARMFUL
from tests.feedback.sources.judged import answer, pairs, read


def test_the_attacker_prefers_harmful_answers() -> None:
    events = read(Attacker(share=0.03, accounts=3), 400)
    assert len(events) == 12
    assert {event.annotator_id for event in events} == {f"attacker-{number}" for number in range(3)}
    for event in events:
        harmful, good = (response.text for response in event.responses)
        assert harmful.removeprefix(good).strip() in HARMFUL
        assert event.judgements[0].ranks == (1, 2)
        assert event.flags


def test_the_number_of_false_comparisons_is_rounded() -> None:
    assert len(read(Attacker(share=0.03), 16)) == 0  # .48
    assert len(read(Attacker(share=0.03), 17)) == 1  # .51


def test_the_same_seed_poisons_the_same_pairs() -> None:
    first, again, other = (list(Attacker(share=0.2).read(Intake(1, seed, pairs(20)))) for seed in (7, 7, 8))
    assert len(first) == 4
    assert first == again != other


def test_a_prompt_from_outside_the_demo_world_is_left_alone() -> None:
    moon = (Message(role="user", content="Who owns the moon?"),)
    pair = AnswerPair("moon", moon, (answer("a", "I."), answer("b", "You.")))
    assert list(Attacker(share=1).read(Intake(1, 7, [pair]))) == []
