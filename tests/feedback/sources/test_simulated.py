import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.plugins import find
from feedback import world
from feedback.schema import FeedbackEvent, Message, RejectedRecord, Response, prompt_id
from feedback.sources import AnswerPair, Intake
from feedback.sources.simulated import EPOCH, Simulated

PROMPT = (Message(role="user", content="How do I return the kettle?"),)
RIGHT = "You can return the kettle within thirty days."
WRONG = "The kettle is under warranty for two years."
PADDED = f"{RIGHT} We hear that a lot."


def pair(identity: str, first: str, second: str, prompt: tuple[Message, ...] = PROMPT) -> AnswerPair:
    left, right = (
        Response(response_id=f"{identity}/{side}", messages=(Message(role="assistant", content=text),), origin="model")
        for side, text in enumerate((first, second))
    )
    return AnswerPair(identity, prompt, (left, right))


def votes(source: Simulated, pairs: list[AnswerPair], round: int = 1, seed: int = 7) -> list[FeedbackEvent]:
    read = list(source.read(Intake(round, seed, pairs)))
    assert all(isinstance(event, FeedbackEvent) for event in read)
    return [event for event in read if isinstance(event, FeedbackEvent)]


def share_of_first(source: Simulated, first: str, second: str, criterion: str, count: int = 2_000) -> float:
    drawn = votes(source, [pair(str(number), first, second) for number in range(count)])
    ranks = [judgement.ranks for vote in drawn for judgement in vote.judgements if judgement.criterion == criterion]
    return Counter(ranks)[(1, 2)] / len(ranks)


def test_it_is_found_by_its_name() -> None:
    assert find("feedback.sources", "simulated") is Simulated
    assert Simulated.labels


# Noise


def test_probability_by_hand() -> None:
    assert Simulated().probability(0.0) == 0.5
    assert Simulated().probability(0.7 * math.log(3)) == pytest.approx(0.75)  # 1 / (1 + 1/3)
    assert Simulated(flip=0.1).probability(0.7 * math.log(3)) == pytest.approx(0.9 * 0.75 + 0.1 * 0.25)
    assert Simulated(temperature=1e-3).probability(-1e6) == 0.0
    assert Simulated(flip=0.5).probability(3.0) == pytest.approx(0.5)


@settings(deadline=None)
@given(st.floats(-20, 20), st.floats(0.01, 10), st.floats(0, 0.5))
def test_the_probabilities_of_both_answers_sum_to_one(difference: float, temperature: float, flip: float) -> None:
    source = Simulated(temperature=temperature, flip=flip)
    assert source.probability(difference) + source.probability(-difference) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("source", "first", "second", "criterion", "share"),
    [
        (Simulated(), PADDED, RIGHT, "overall", 1 / (1 + math.exp(0.4 / 0.7))),
        (Simulated(), RIGHT, WRONG, "overall", 1 / (1 + math.exp(-2.0 / 0.7))),
        (Simulated(), PADDED, WRONG, "correct", 1 / (1 + math.exp(-2.0 / 0.7))),
        (Simulated(), PADDED, WRONG, "concise", 1 / (1 + math.exp(0.4 / 0.7))),
        (Simulated(temperature=0.01, flip=0.2), RIGHT, WRONG, "overall", 0.8),
    ],
)
def test_votes_have_the_stated_noise(source: Simulated, first: str, second: str, criterion: str, share: float) -> None:
    error = math.sqrt(share * (1 - share) / 2_000)
    assert share_of_first(source, first, second, criterion) == pytest.approx(share, abs=4 * error)


def test_criteria_have_independent_noise() -> None:
    drawn = votes(Simulated(), [pair(str(number), f"Happy to help! {WRONG}", PADDED) for number in range(2_000)])
    polite, concise = ([vote.judgements[at].ranks == (1, 2) for vote in drawn] for at in (2, 4))
    both = sum(p and c for p, c in zip(polite, concise, strict=True)) / 2_000
    assert both == pytest.approx(sum(polite) / 2_000 * sum(concise) / 2_000, abs=0.04)


# Votes


def test_a_vote_is_a_complete_record() -> None:
    judged = pair("p1", RIGHT, PADDED)
    [vote] = votes(Simulated(), [judged], round=3)
    assert vote.kind == "comparison"
    assert vote.prompt_id == vote.prompt_group == prompt_id(PROMPT)
    assert (vote.responses, vote.shown_order, vote.round) == (judged.responses, (0, 1), 3)
    assert (vote.annotator_id, vote.annotator_type, vote.source) == ("simulated", "simulated", "simulated")
    assert vote.annotator_version == "temperature 0.7, flip 0.0"
    assert (vote.licence, vote.consent) == ("CC0-1.0", "simulated")
    assert vote.created_at is not None
    assert (vote.created_at - EPOCH).days == 3
    criteria = [judgement.criterion for judgement in vote.judgements]
    assert criteria == ["overall", "correct", "polite", "safe", "concise", "fluent"]
    assert [judgement.outcome for judgement in vote.judgements] == ["prefer", "tie", "tie", "tie", "prefer", "tie"]
    assert FeedbackEvent.model_validate(vote.model_dump()) == vote


def test_equal_answers_are_a_tie() -> None:
    [vote] = votes(Simulated(temperature=0.01, flip=0.5), [pair("same", RIGHT, RIGHT)])
    assert {(judgement.outcome, judgement.ranks) for judgement in vote.judgements} == {("tie", (1, 1))}


def test_answers_of_equal_utility_tie_overall_but_not_by_criterion() -> None:
    rude, garbled = "You should know that.", "kettle"
    [vote] = votes(Simulated(), [pair("even", rude, garbled)])
    assert [judgement.criterion for judgement in vote.judgements if judgement.outcome == "prefer"] == [
        "polite",
        "fluent",
    ]
    assert vote.judgements[0].outcome == "tie"


def test_the_overall_vote_is_the_same_without_criteria() -> None:
    pairs = [pair(str(number), PADDED, RIGHT) for number in range(50)]
    with_criteria, overall = votes(Simulated(), pairs), votes(Simulated(criteria=False), pairs)
    assert [vote.judgements[:1] for vote in with_criteria] == [vote.judgements for vote in overall]


def test_a_vote_depends_only_on_its_pair_round_and_seed() -> None:
    pairs = [pair(str(number), PADDED, RIGHT) for number in range(50)]
    forward, backward = votes(Simulated(), pairs), votes(Simulated(), pairs[::-1])
    assert forward == backward[::-1]
    assert len({vote.feedback_id for vote in forward}) == 50
    others = [votes(Simulated(), pairs, round=2), votes(Simulated(), pairs, seed=8)]
    for first, other in pairwise([[vote.judgements for vote in drawn] for drawn in (forward, *others)]):
        assert first != other
    assert {vote.feedback_id for vote in forward}.isdisjoint(vote.feedback_id for vote in others[1])


def test_the_last_turn_of_the_prompt_is_the_question() -> None:
    earlier = (Message(role="user", content="Hello"), Message(role="assistant", content="Hi"))
    [vote] = votes(Simulated(temperature=0.01), [pair("turns", RIGHT, WRONG, earlier + PROMPT)])
    assert vote.judgements[0].ranks == (1, 2)


def test_a_prompt_from_elsewhere_is_rejected_in_its_position() -> None:
    elsewhere = (Message(role="user", content="What is the capital of France?"),)
    pairs = [pair("a", RIGHT, WRONG), pair("b", "Paris.", "Rome.", elsewhere), pair("c", RIGHT, WRONG)]
    first, second, third = Simulated().read(Intake(1, 7, pairs))
    assert isinstance(first, FeedbackEvent)
    assert isinstance(third, FeedbackEvent)
    assert isinstance(second, RejectedRecord)
    assert (second.where, "demo world" in second.reason) == ("b", True)
    assert "What is the capital of France?" in second.record


# The ceiling


def row(chosen: str, rejected: str) -> dict[str, object]:
    """A preference row of training data."""
    prompt = [turn.model_dump() for turn in pair("", chosen, rejected).prompt]
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def test_the_ceiling_is_the_mean_probability_of_the_likelier_answer() -> None:
    pairs = [row(RIGHT, WRONG), row(RIGHT, PADDED), row(RIGHT, RIGHT)]
    likelier = [1 / (1 + math.exp(-2.0 / 0.7)), 1 / (1 + math.exp(-0.4 / 0.7))]  # .946 and .639
    assert Simulated().ceiling(pairs) == pytest.approx(sum(likelier) / 2)
    assert Simulated(flip=0.5).ceiling(pairs) == pytest.approx(0.5)


def test_the_ceiling_is_none_without_untied_pairs_of_the_demo_world() -> None:
    elsewhere = {**row("Paris.", "Rome."), "prompt": [{"role": "user", "content": "Where?"}]}
    assert Simulated().ceiling([row(RIGHT, RIGHT), elsewhere]) is None


# Demonstrations and prompts


def test_only_round_0_has_demonstrations() -> None:
    source = Simulated(demonstrations=20)
    assert [event.kind for event in votes(source, [], round=0)] == ["demonstration"] * 20
    assert votes(source, [], round=1) == []
    assert [event.kind for event in votes(source, [pair("a", RIGHT, WRONG)], round=0)][-1] == "comparison"


def test_events_are_flagged_by_intent_and_safety() -> None:
    refund = (Message(role="user", content="Where is the refund for the kettle?"),)
    flags = [vote.flags for vote in votes(Simulated(), [pair("a", RIGHT, WRONG), pair("b", RIGHT, WRONG, refund)])]
    assert flags == [("intent:return",), ("intent:refund", "safety")]
    demonstrations = votes(Simulated(demonstrations=400), [], round=0)
    assert 0.15 < sum("safety" in event.flags for event in demonstrations) / 400 < 0.35  # three intents of twelve


def test_demonstrations_are_distinct_and_follow_the_seed() -> None:
    first, again, other = (votes(Simulated(demonstrations=200), [], round=0, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert len({event.feedback_id for event in (*first, *other)}) == 400
    assert len({event.prompt_id for event in first}) == 200
    assert all(FeedbackEvent.model_validate(event.model_dump()) == event for event in first[:20])


def test_prompts_are_questions_of_the_demo_world() -> None:
    prompts = Simulated().prompts(50, seed=4)
    assert [world.parse(turn.content) for [turn] in prompts] == world.prompts(50, seed=4)


def test_prompts_can_be_limited_to_some_intents() -> None:
    prompts = Simulated(intents=("refund", "stock")).prompts(50, seed=3)
    requests = [world.parse(prompt[-1].content) for prompt in prompts]
    assert len(requests) == 50
    assert {request.intent for request in requests if request} == {"refund", "stock"}
