"""Each form of feedback, alone: the pairs that it becomes."""

from typing import Any

import pytest

from feedback import canonical
from feedback.preferences import Preferences, demonstrations, preferences
from feedback.schema import FeedbackEvent, Judgement
from feedback.split import SplitSettings
from feedback.votes import stated_strength
from tests.feedback.examples import event, reply, vote


def derived(*events: FeedbackEvent, criterion: str | None = None, min_difference: float = 0.2) -> Preferences:
    return preferences(events, SplitSettings(), "salt", criterion, min_difference)


def pairs(*events: FeedbackEvent, criterion: str | None = None) -> dict[tuple[str, str], float]:
    """(chosen, rejected) → share of the votes for chosen."""
    rows = derived(*events, criterion=criterion).rows
    return {(row.chosen, row.rejected): row.p_chosen for row in rows}


def judged(kind: str, native: str, answer: str, **fields: Any) -> FeedbackEvent:
    """One answer, judged by itself."""
    names = Judgement.model_fields.keys()
    judgement = Judgement.model_validate({name: value for name, value in fields.items() if name in names})
    rest = {name: value for name, value in fields.items() if name not in names}
    return event(kind=kind, native=native, answers=(answer,), judgements=(judgement,), **rest)


def rating(native: str, answer: str, score: float, annotator: str = "ana", **fields: Any) -> FeedbackEvent:
    scale = {"scale_min": 1, "scale_max": 5} | fields
    return judged("rating", native, answer, scores=(score,), annotator_id=annotator, **scale)


def thumb(native: str, answer: str, score: float, annotator: str = "unknown") -> FeedbackEvent:
    return judged("binary", native, answer, scores=(score,), annotator_id=annotator)


def test_ratings_of_one_person_become_pairs_as_strong_as_their_difference() -> None:
    made = derived(rating("1", "a", 5), rating("2", "b", 3), rating("3", "c", 3)).rows
    assert {(row.chosen, row.rejected, row.weight, row.strength) for row in made} == {
        ("a", "b", 0.5, 0.5),
        ("a", "c", 0.5, 0.5),
    }
    assert {tuple(row.kinds) for row in made} == {("rating",)}
    assert {len(row.feedback_ids) for row in made} == {2}


def test_ratings_closer_than_the_threshold_are_no_pair() -> None:
    close = rating("1", "a", 5), rating("2", "b", 4)  # a quarter of the scale
    assert len(derived(*close, min_difference=0.25).rows) == 1
    apart = derived(*close, min_difference=0.26)
    assert (apart.rows, apart.counts.unpaired) == ([], {"rating": 2})


def test_ratings_of_different_people_are_never_compared() -> None:
    made = derived(rating("1", "a", 5, "ana"), rating("2", "b", 1, "ben"), rating("3", "c", 1, "unknown"))
    assert (made.rows, made.counts.unpaired) == ([], {"rating": 3})


def test_a_rating_that_is_given_again_replaces_the_first() -> None:
    assert pairs(rating("1", "a", 1), rating("2", "b", 3), rating("3", "a", 5)) == {("a", "b"): 1.0}


def test_several_answers_rated_in_one_event() -> None:
    scores = Judgement(scores=(2.0, 9.0, None), scale_min=0, scale_max=10)
    [row] = derived(event(kind="rating", answers=("a", "b", "c"), judgements=(scores,))).rows
    assert (row.chosen, row.rejected) == ("b", "a")
    assert row.strength == pytest.approx(0.7)
    assert len(row.feedback_ids) == 1


def test_a_scale_that_is_not_stated_is_the_range_of_the_scores_of_the_source() -> None:
    unstated: dict[str, Any] = {"scale_min": None, "scale_max": None}
    other = rating("3", "x", 100, "ben", **unstated)
    made = derived(rating("1", "a", 40, **unstated), rating("2", "b", 0, **unstated), other).rows
    assert [(row.chosen, row.strength) for row in made] == [("a", 0.4)]


def test_thumbs_across_people_are_votes_for_a_liked_over_a_disliked_answer() -> None:
    made = derived(thumb("1", "a", 1), thumb("2", "b", 0), thumb("3", "b", 0), thumb("4", "a", 1)).rows
    [row] = made
    assert (row.chosen, row.rejected, row.n_votes, row.weight) == ("a", "b", 2, 2.0)
    assert len(row.feedback_ids) == 4


def test_the_weights_of_thumbs_add_up_to_the_rarer_side() -> None:
    made = derived(thumb("1", "a", 1), thumb("2", "b", 0), thumb("3", "c", 0), thumb("4", "d", 0)).rows
    assert {(row.chosen, row.rejected) for row in made} == {("a", "b"), ("a", "c"), ("a", "d")}
    assert sum(row.weight for row in made) == pytest.approx(1)


def test_thumbs_of_one_person_are_that_persons_vote() -> None:
    made = derived(thumb("1", "a", 1, "ana"), thumb("2", "b", 0, "ana"))
    assert [(vote.annotator, vote.chosen) for vote in made.votes] == [("ana", 1.0)]
    crossed = derived(thumb("1", "a", 1, "ana"), thumb("2", "b", 0, "ben"))
    assert [vote.annotator for vote in crossed.votes] == ["unknown"]


def test_thumbs_on_one_answer_only_are_counted() -> None:
    made = derived(thumb("1", "a", 1), thumb("2", "a", 0))
    assert (made.rows, made.counts.unpaired) == ([], {"binary": 2})


@pytest.mark.parametrize("kind", ["label", "critique", "binary"])
def test_labels_by_criterion(kind: str) -> None:
    up = judged(kind, "1", "a", criterion="polite", label="yes", annotator_id="ana")
    down = judged(kind, "2", "b", criterion="polite", label="no", annotator_id="ana")
    assert pairs(up, down, criterion="polite") == {("a", "b"): 1.0}
    assert pairs(up, down, criterion="overall") == {}


def test_other_labels_and_critiques_without_a_verdict_are_counted() -> None:
    about = judged("label", "1", "a", label="billing")
    critique = judged("critique", "2", "a", rationale="Too long.")
    assert derived(about, critique).counts.unpaired == {"critique": 1, "label": 1}


def test_a_critique_that_ranks_two_answers_is_a_pair() -> None:
    assert pairs(vote("1", ranks=(2, 1), kind="critique", answers=("a", "b"))) == {("b", "a"): 1.0}


def correction(edited: str = "Bring it back within thirty days.") -> FeedbackEvent:
    draft, edit = reply("Bring it back within ten days."), reply(edited, origin="human_edit", parent_ix=0)
    return event(kind="correction", responses=(draft, edit))


def test_a_correction_is_a_demonstration_and_a_preference_that_is_flagged() -> None:
    made = derived(correction())
    [row] = made.rows
    assert (row.chosen, row.rejected) == ("Bring it back within thirty days.", "Bring it back within ten days.")
    # 11 words and pairs each, 8 in common: the word and its two pairs differ
    assert row.strength == pytest.approx(1 - 8 / 14)
    assert (row.kinds, made.counts.corrections) == (["correction"], 1)
    [shown] = demonstrations([correction()], SplitSettings(), "salt")
    assert shown.completion == row.chosen


def test_an_edit_that_changes_nothing_is_no_preference() -> None:
    assert pairs(correction("Bring it back within ten days.")) == {}


@pytest.mark.parametrize("ranks", [(1, 2, 3, 4), (1, 2, 2, None), (1, None, 2, None)])
def test_one_ranking_counts_as_one_act(ranks: tuple[int | None, ...]) -> None:
    ranking = event(kind="ranking", answers=("a", "b", "c", "d"), judgements=(Judgement(ranks=ranks),))
    assert sum(row.weight for row in derived(ranking).rows) == pytest.approx(1)


@pytest.mark.parametrize(
    ("strength", "strength_max", "expected"),
    [(2, 3, 2 / 3), (-3, 3, 1), (0.4, None, 0.4), (2, None, None), (1, 0, None)],
)
def test_stated_strength(strength: float, strength_max: float | None, expected: float | None) -> None:
    assert stated_strength(Judgement(strength=strength, strength_max=strength_max)) == expected


def test_strengths_of_votes_for_both_answers_offset_each_other() -> None:
    judgements = [Judgement(ranks=(1, 2), strength=1.0), Judgement(ranks=(1, 2), strength=0.5)]
    judgements.append(Judgement(ranks=(2, 1), strength=0.6))
    voted = [event(native=str(ix), judgements=(judgement,)) for ix, judgement in enumerate(judgements)]
    [row] = derived(*voted, vote("9")).rows
    assert row.strength == pytest.approx((1.0 + 0.5 - 0.6) / 3)


def read(*records: dict[str, Any]) -> list[FeedbackEvent]:
    defaults = [{"source": "file", "source_id": f"line {ix}"} for ix in range(len(records))]
    return [canonical.event(record, given) for record, given in zip(records, defaults, strict=True)]


ARRIVES = {
    "prompt": "Where is my parcel?",
    "chosen": "It arrives on Monday.",
    "rejected": "Soon.",
    "annotator_id": "ana",
}
SOON = ARRIVES | {"chosen": "Soon.", "rejected": "It arrives on Monday."}


@pytest.mark.parametrize("records", [(ARRIVES, SOON), (SOON, ARRIVES)])
def test_without_times_the_later_line_counts(records: tuple[dict[str, Any], dict[str, Any]]) -> None:
    events = read(*records)
    assert pairs(*events) == {(records[1]["chosen"], records[1]["rejected"]): 1.0}
    renamed = [each.model_copy(update={"feedback_id": name}) for each, name in zip(events, "ba", strict=True)]
    assert pairs(*renamed) == pairs(*events)


def test_times_come_before_the_order_of_arrival() -> None:
    """A vote without a time counts as made when it arrived."""
    early, late = ({"created_at": f"2026-01-0{day}T00:00:00Z"} for day in (1, 3))
    assert pairs(*read(ARRIVES | late, SOON | early)) == {(ARRIVES["chosen"], ARRIVES["rejected"]): 1.0}
    assert pairs(*read(ARRIVES | late, SOON)) == {(SOON["chosen"], SOON["rejected"]): 1.0}
    by_round = [each.model_copy(update={"round": ix}) for ix, each in enumerate(read(ARRIVES | late, SOON | early))]
    assert pairs(*by_round) == {(ARRIVES["chosen"], ARRIVES["rejected"]): 1.0}


def test_blank_annotators_are_unknown_people() -> None:
    rows = [ARRIVES, ARRIVES, SOON]
    [row] = derived(
        *read(*({**row, "annotator_id": "", "source_id": str(ix), "source": "csv"} for ix, row in enumerate(rows)))
    ).rows
    assert (row.chosen, row.n_votes) == ("It arrives on Monday.", 3)
    assert row.p_chosen == pytest.approx(2 / 3)


def test_a_tie_between_equal_answers_counts_in_agreement_only() -> None:
    ties = [
        event(native=name, answers=("Same.", "Same."), judgements=(Judgement(outcome="tie"),), annotator_id=name)
        for name in ("ana", "ben")
    ]
    made = derived(*ties)
    assert (made.rows, made.votes, made.counts.ties, made.counts.votes) == ([], [], 2, 2)
    assert made.agreement is not None
    assert (made.agreement.pairs, made.agreement.share) == (1, 1.0)
