"""Whose votes can be left out, and what is left then."""

from feedback.preferences import preferences
from feedback.rows import PreferenceRow
from feedback.schema import FeedbackEvent
from feedback.split import SplitSettings
from feedback.suspects import FeedbackSubset, suspects, without
from tests.feedback.examples import vote

SPLIT = SplitSettings(train=1, judge=0, holdout=0)


def made(events: list[FeedbackEvent]) -> list[PreferenceRow]:
    return preferences(events, SPLIT, "salt").rows


EVENTS = [
    vote("1", question="One?", annotator_id="ana", round=1),
    vote("2", question="Two?", annotator_id="ana", round=2),
    vote("3", question="Two?", ranks=(2, 1), annotator_id="eve", round=2),
    vote("4", question="Three?", round=2),
]
"""Ana and eve disagree on the second question; nobody knows who voted on the third."""


def test_everybody_with_enough_pairs_the_most_first() -> None:
    found = suspects(EVENTS, made(EVENTS))
    assert found == [
        FeedbackSubset("annotator", "ana", 2),
        FeedbackSubset("batch", "2", 2),
        FeedbackSubset("annotator", "eve", 1),
        FeedbackSubset("batch", "1", 1),
    ]  # the one source is all there is, and the unknown annotator is nobody in particular
    assert suspects(EVENTS, made(EVENTS), by=["annotator"], least=2) == found[:1]


def test_without_somebody_the_others_decide() -> None:
    before = next(row for row in made(EVENTS) if row.n_votes == 2)
    assert before.p_chosen == 0.5
    left = made(without(EVENTS, FeedbackSubset("annotator", "ana", 2)))
    assert len(left) == 2
    after = next(row for row in left if row.pair_id == before.pair_id)
    assert (after.p_chosen, after.n_votes, after.chosen) == (1.0, 1, "Magic.")


def test_what_was_superseded_counts_again() -> None:
    first = vote("1", annotator_id="ana", round=1)
    changed = vote("1b", ranks=(2, 1), annotator_id="ana", round=2, supersedes=first.feedback_id)
    [row] = made(without([first, changed], FeedbackSubset("batch", "2", 1)))
    assert (row.chosen, row.feedback_ids) == ("Rayleigh scattering.", [first.feedback_id])


def test_a_prompt_stays_in_its_group() -> None:
    """The first event of a prompt names its group, and goes on naming it when it is taken back."""
    first = vote("1", annotator_id="ana", round=1).model_copy(update={"prompt_group": "old"})
    later = vote("2", annotator_id="ben", round=2).model_copy(update={"prompt_group": "new"})
    [row] = made(without([first, later], FeedbackSubset("annotator", "ana", 1)))
    assert row.group == "old"
