"""The source `rule`: a rule's judgements without noise, everyday prompts and demonstrations."""

from core.plugins import find, make
from feedback import everyday
from feedback.probes import user_prompt
from feedback.rules.readable import Readable
from feedback.schema import FeedbackEvent, Message, Response, prompt_id
from feedback.sources import AnswerPair, Intake
from feedback.sources.rule import RuleVotes
from feedback.sources.simulated import EPOCH

QUESTION = user_prompt("How do I boil an egg?")
GOOD = (
    "Put the egg into boiling water with a spoon and wait for about seven long minutes. "
    "Then cool it under the tap, so that you can peel the shell off without burning yourself."
)
SHORT = "Boil it."


def pair(first: str, second: str, prompt: tuple[Message, ...] = QUESTION) -> AnswerPair:
    left, right = (
        Response(response_id=f"p/{side}", messages=(Message(role="assistant", content=text),), origin="model")
        for side, text in enumerate((first, second))
    )
    return AnswerPair("p", prompt, (left, right))


def vote(judged: AnswerPair, source: RuleVotes | None = None) -> FeedbackEvent:
    [event] = (source or RuleVotes()).read(Intake(1, 7, [judged]))
    return event


def test_a_vote_is_a_complete_record_and_is_called_a_rule() -> None:
    event = vote(pair(GOOD, SHORT))
    assert (event.kind, event.source, event.round) == ("comparison", "rule", 1)
    assert (event.annotator_type, event.annotator_id) == ("rule", "rule readable")
    assert (event.licence, event.consent) == ("CC0-1.0", "public")
    assert (event.prompt_id, event.prompt_group) == (prompt_id(QUESTION), prompt_id(QUESTION))
    assert event.created_at is not None
    assert (event.created_at - EPOCH).days == 1
    assert [judgement.criterion for judgement in event.judgements] == ["overall", *Readable.components]
    assert {judgement.ranks for judgement in event.judgements} == {(1, 2)}
    assert FeedbackEvent.model_validate(event.model_dump()) == event


def test_the_higher_utility_wins_on_either_side_and_equal_utilities_tie() -> None:
    assert vote(pair(SHORT, GOOD)).judgements[0].ranks == (2, 1)
    assert {(judgement.outcome, judgement.ranks) for judgement in vote(pair("Yes.", SHORT)).judgements} == {
        ("tie", (1, 1))
    }


def test_components_are_left_out_on_request() -> None:
    [judgement] = vote(pair(GOOD, SHORT), RuleVotes(criteria=False)).judgements
    assert judgement.criterion == "overall"


def test_the_prompts_on_one_topic_share_a_group() -> None:
    first, second = everyday.all_prompts()[:2]
    groups = {vote(pair(GOOD, SHORT, prompt.prompt)).prompt_group for prompt in (first, second)}
    assert groups == {prompt_id(first.prompt)}


def test_demonstrations_come_in_round_0_only() -> None:
    shown = list(RuleVotes(demonstrations=20).read(Intake(0, 7)))
    assert [event.kind for event in shown] == ["demonstration"] * 20
    assert len({event.feedback_id for event in shown}) == 20
    assert shown[0].responses[0].text == everyday.demonstrations()[0].answer
    assert list(RuleVotes().read(Intake(1, 7))) == []


def test_prompts_are_offered_unless_they_come_from_elsewhere() -> None:
    offered = RuleVotes().prompts(50, seed=3)
    assert offered == [prompt.prompt for prompt in everyday.prompts(50, seed=3)]
    assert RuleVotes(everyday=False).prompts(50, seed=3) == []


def test_the_ceiling_is_1_because_there_is_no_noise() -> None:
    row = {"prompt": [{"role": "user", "content": "How?"}], "chosen": GOOD, "rejected": SHORT}
    assert RuleVotes().ceiling([row]) == 1.0
    assert RuleVotes().ceiling([row | {"chosen": SHORT}]) is None
    assert RuleVotes().ceiling([]) is None


def test_the_rule_is_a_plug_in_with_knobs() -> None:
    assert find("feedback.sources", "rule") is RuleVotes
    source = make("feedback.sources", "rule", {"rule": {"use": "readable", "finished": 2.0}})
    assert source.probes().utility(QUESTION, GOOD) == 4.5
    assert (RuleVotes.labels, RuleVotes.simulated, RuleVotes.votes_of) == (True, True, "rule")
