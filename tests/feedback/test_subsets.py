"""Which annotators, sources and batches can be left out, and the rows that result."""

from feedback.preferences import preferences
from feedback.rows import PreferenceRow
from feedback.schema import FeedbackEvent
from feedback.split import SplitSettings
from feedback.subsets import FeedbackSubset, leave_out, subsets
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
"""Ana and eve disagree on the second question; the annotator of the third is unknown."""


def test_subsets_with_enough_pairs_are_listed_largest_first() -> None:
    listed = subsets(EVENTS, made(EVENTS))
    assert listed == [
        FeedbackSubset("annotator", "ana", 2),
        FeedbackSubset("batch", "2", 2),
        FeedbackSubset("annotator", "eve", 1),
        FeedbackSubset("batch", "1", 1),
    ]  # the only source voted on every pair, and the unknown annotator is not one person
    assert subsets(EVENTS, made(EVENTS), by=["annotator"], min_pairs=2) == listed[:1]


def test_without_one_annotator_the_others_decide() -> None:
    before = next(row for row in made(EVENTS) if row.n_votes == 2)
    assert before.p_chosen == 0.5
    remaining = made(leave_out(EVENTS, FeedbackSubset("annotator", "ana", 2)))
    assert len(remaining) == 2
    after = next(row for row in remaining if row.pair_id == before.pair_id)
    assert (after.p_chosen, after.n_votes, after.chosen) == (1.0, 1, "Magic.")


def test_a_superseded_event_counts_again_when_its_replacement_is_left_out() -> None:
    first = vote("1", annotator_id="ana", round=1)
    changed = vote("1b", ranks=(2, 1), annotator_id="ana", round=2, supersedes=first.feedback_id)
    [row] = made(leave_out([first, changed], FeedbackSubset("batch", "2", 1)))
    assert (row.chosen, row.feedback_ids) == ("Rayleigh scattering.", [first.feedback_id])


def test_a_prompt_stays_in_its_group() -> None:
    """The first event of a prompt sets its group, even when that event is withdrawn."""
    first = vote("1", annotator_id="ana", round=1).model_copy(update={"prompt_group": "old"})
    later = vote("2", annotator_id="ben", round=2).model_copy(update={"prompt_group": "new"})
    [row] = made(leave_out([first, later], FeedbackSubset("annotator", "ana", 1)))
    assert row.group == "old"
