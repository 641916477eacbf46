"""What counts towards the start of a round is what the round can learn from."""

from collections.abc import Collection, Sequence
from typing import Any

from feedback.schema import FeedbackEvent, Judgement
from feedback.stored import Event
from feedback.usable import usable
from tests.feedback.examples import event, vote


def nothing(prompts: Collection[str]) -> Sequence[Event]:
    return []


def counted(*waiting: FeedbackEvent, stored: Sequence[FeedbackEvent] = ()) -> list[str]:
    """The ids in their source of those that count."""
    found = usable(waiting, lambda prompts: [each for each in stored if each.prompt_id in prompts])
    return [each.source_id for each in found]


def thumb(native: str, answer: str, score: float, **fields: Any) -> FeedbackEvent:
    judged = (Judgement(scores=(score,)),)
    return event(answers=(answer,), kind="binary", native=native, judgements=judged, annotator_id=native, **fields)


def test_votes_demonstrations_and_corrections_count() -> None:
    written = event(answers=("Rayleigh scattering.",), kind="demonstration", native="2")
    tie = vote("3", outcome="tie", question="Is it blue?")
    assert counted(vote("1"), written, tie) == ["1", "2", "3"]


def test_what_was_withdrawn_or_put_aside_does_not_count() -> None:
    states = [vote(state, status=state) for state in ("withdrawn", "quarantined", "superseded")]
    assert counted(*states, vote("1")) == ["1"]


def test_an_abstention_and_equal_answers_do_not_count() -> None:
    equal = vote("2", answers=("Magic.", "Magic."))
    assert counted(vote("1", outcome="cannot_judge"), equal, vote("3", outcome="skip")) == []


def test_of_a_vote_and_its_correction_one_counts_and_after_a_withdrawal_none() -> None:
    first = vote("1", annotator_id="ana")
    changed = vote("2", ranks=(2, 1), annotator_id="ana", supersedes=first.feedback_id)
    withdrawn = vote("3", outcome="skip", annotator_id="ana", supersedes=changed.feedback_id)
    assert counted(first, changed) == ["2"]
    assert counted(first, changed, withdrawn) == []


def test_of_repeated_votes_of_one_person_on_one_pair_the_last_counts() -> None:
    assert counted(vote("1", annotator_id="ana"), vote("2", annotator_id="ana"), vote("3", annotator_id="bo")) == [
        "2",
        "3",
    ]


def test_thumbs_count_once_there_is_a_pair() -> None:
    up, down = thumb("ana", "Rayleigh scattering.", 1), thumb("bo", "Magic.", 0)
    assert counted(up, thumb("cy", "Air.", 1)) == []
    assert counted(up, down) == ["ana", "bo"]
    assert counted(down, stored=[up]) == ["bo"], "the stored one was counted by the round that took it in"
    assert usable([up], nothing) == []
