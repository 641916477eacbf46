import json
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from core.files import digest
from evaluation.evals import CANDIDATE, CHAMPION
from feedback import pairs, world
from feedback.schema import FeedbackEvent, GroupedPrompt, prompt_id
from feedback.sources import Intake
from feedback.sources.simulated import Simulated
from tasks.people import ballots, polls
from tasks.people.ballots import BlindedPair
from tasks.state.round import Round
from tasks.state.workspace import Workspace

PAIRS_ID = "b" * 16


def opened(root: Path, number: int = 1, seed: int = 7) -> Round:
    workspace = Workspace(root)
    workspace.data.mkdir(exist_ok=True)
    return Round(workspace, number, None, seed=seed, salt="salt", champion=None, inbox=(), values={})


def questions(count: int) -> tuple[list[world.CustomerRequest], list[GroupedPrompt]]:
    requests = world.prompts(count, seed=3)
    prompts = [world.render(request) for request in requests]
    return requests, [GroupedPrompt(prompt_id(prompt), f"group {i}", prompt) for i, prompt in enumerate(prompts)]


def drawn(root: Path, count: int, seed: int = 7) -> list[BlindedPair]:
    """The best answers of the candidate against a bad one of the champion."""
    requests, prompts = questions(count)
    drawn_pairs = ballots.draw(
        opened(root, seed=seed), prompts, [world.best(r) for r in requests], ["Tell me your PIN."] * count
    )
    return [pair for pair in drawn_pairs if pair]


def votes(drawn_pairs: list[BlindedPair]) -> list[FeedbackEvent]:
    records = Simulated().read(Intake(1, 5, [pair.pair for pair in drawn_pairs]))
    return [record for record in records if isinstance(record, FeedbackEvent)]


def test_the_better_answer_wins_on_either_side(tmp_path: Path) -> None:
    known = drawn(tmp_path, 40)
    signed, others = ballots.unblinded(votes(known), known, PAIRS_ID)
    winners = [vote.responses[(vote.judgements[0].ranks or ()).index(1)].model_version for vote in signed]
    assert (winners, others) == ([CANDIDATE] * 40, [])
    assert {vote.responses[0].model_version for vote in signed} == {CANDIDATE, CHAMPION}  # both stood on the left
    assert [vote.prompt_group for vote in signed] == [f"group {i}" for i in range(40)]
    assert {vote.batch_id for vote in signed} == {PAIRS_ID}


def test_answers_in_another_order_are_matched_by_id(tmp_path: Path) -> None:
    known = drawn(tmp_path, 1)
    [vote] = votes(known)
    turned = vote.model_copy(update={"responses": vote.responses[::-1]})
    [signed], _ = ballots.unblinded([turned], known, PAIRS_ID)
    assert [answer.model_version for answer in signed.responses] == [
        known[0].writers[response.response_id] for response in reversed(known[0].pair.responses)
    ]


def test_a_record_that_is_not_a_vote_on_a_pair_is_rejected_with_a_reason(tmp_path: Path) -> None:
    known = drawn(tmp_path, 2)
    first, second = votes(known)
    stranger = first.model_copy(update={"responses": (first.responses[0], second.responses[1])})
    [signed], [other] = ballots.unblinded([second, stranger], known, PAIRS_ID)
    assert signed.source_id == second.source_id
    assert (other.where, "response_id" in other.reason) == (first.source_id, True)
    assert json.loads(other.record)["feedback_id"] == first.feedback_id


def test_the_same_ids_in_another_set_of_pairs_are_other_votes(tmp_path: Path) -> None:
    """A reopened round has another candidate, and its answers have the same ids."""
    known = drawn(tmp_path, 1)
    [first], [other] = (ballots.unblinded(votes(known), known, name)[0] for name in (PAIRS_ID, "c" * 16))
    assert first.feedback_id != other.feedback_id


def test_pairs_with_an_empty_answer_are_not_drawn(tmp_path: Path) -> None:
    _, prompts = questions(3)
    drawn_pairs = ballots.draw(opened(tmp_path), prompts, ["Yes.", " ", "Yes."], ["", "No.", "No."])
    assert [pair is not None for pair in drawn_pairs] == [False, False, True]


def test_drawing_is_deterministic(tmp_path: Path) -> None:
    for name in ("one", "two"):
        pairs.write(tmp_path / name, [pair.pair for pair in drawn(tmp_path, 5)])
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


@given(seed=st.integers(0, 2**63 - 1))
def test_a_handed_out_record_does_not_reveal_the_models(seed: int) -> None:
    """Exchanging the answers of the two models only exchanges the two texts in the record."""
    round, (_, prompts) = Round(Workspace(Path("nowhere")), 1, None, seed, "salt", None, (), {}), questions(1)
    [first], [other] = (ballots.draw(round, prompts, [ours], [theirs]) for ours, theirs in (("A.", "B."), ("B.", "A.")))
    assert first is not None
    assert other is not None
    line = json.dumps(polls.record(first.pair, 1))
    assert line.translate(str.maketrans("AB", "BA")) == json.dumps(polls.record(other.pair, 1))
    assert first.left == other.left
    assert not {CANDIDATE, CHAMPION, "model_version"} & set(re.findall(r"\w+", line))


def test_sides_are_drawn_evenly(tmp_path: Path) -> None:
    left = sum(pair.left == CANDIDATE for pair in drawn(tmp_path, 400))
    assert 160 <= left <= 240  # four standard deviations
