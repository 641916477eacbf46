import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedback.preferences import (
    Counts,
    demonstration_table,
    demonstrations,
    preference_table,
    preferences,
)
from feedback.rows import PreferenceRow
from feedback.schema import FeedbackEvent, Judgement
from feedback.split import SplitSettings
from tests.feedback.examples import event, said, vote

BLUE, MAGIC = "Rayleigh scattering.", "Magic."
ABC = ("a", "b", "c")


def rows(*events: FeedbackEvent) -> list[PreferenceRow]:
    return preferences(events, SplitSettings(), "salt").rows


def counts(*events: FeedbackEvent) -> Counts:
    return preferences(events, SplitSettings(), "salt").counts


def only(*events: FeedbackEvent) -> PreferenceRow:
    [row] = rows(*events)
    return row


def test_three_votes_two_to_one() -> None:
    events = [vote("1"), vote("2", ranks=(2, 1)), vote("3")]
    row = only(*events)
    assert (row.chosen, row.rejected) == (BLUE, MAGIC)
    assert row.p_chosen == pytest.approx(2 / 3)
    assert (row.weight, row.n_votes) == (3, 3)
    assert sorted(row.feedback_ids) == sorted(each.feedback_id for each in events)
    assert row.prompt == [{"role": "user", "content": "Why is the sky blue?"}]
    found = counts(*events)
    assert (found.votes, found.merged, found.conflicting, found.ties) == (3, 2, 1, 0)


def test_the_side_with_more_votes_is_chosen() -> None:
    row = only(vote("1"), vote("2", ranks=(2, 1)), vote("3", ranks=(2, 1)))
    assert (row.chosen, row.rejected) == (MAGIC, BLUE)
    assert row.p_chosen == pytest.approx(2 / 3)


@pytest.mark.parametrize("outcome", ["tie", "tie_both_good", "tie_both_bad"])
def test_a_tie_is_half_a_vote_for_either(outcome: str) -> None:
    assert only(vote("1", outcome=outcome)).p_chosen == 0.5
    mixed = [vote("1"), vote("2", outcome=outcome)]
    assert only(*mixed).p_chosen == 0.75  # (1 + 1/2) / 2
    assert counts(*mixed).ties == 1
    assert counts(*mixed).conflicting == 0, "a tie contradicts nobody"


def test_equal_ranks_are_a_tie() -> None:
    assert only(vote("1", ranks=(1, 1))).p_chosen == 0.5


def test_the_sides_on_which_answers_were_shown_do_not_matter() -> None:
    swapped = vote("2", ranks=(2, 1), answers=(MAGIC, BLUE))
    row = only(vote("1"), swapped)
    assert (row.chosen, row.p_chosen, row.n_votes) == (BLUE, 1, 2)


def test_a_ranking_of_three_is_three_pairs_of_a_third() -> None:
    found = rows(vote("1", ranks=(2, 1, 3), kind="ranking", answers=ABC))
    assert {(row.chosen, row.rejected) for row in found} == {("b", "a"), ("b", "c"), ("a", "c")}
    assert [row.weight for row in found] == pytest.approx([1 / 3] * 3)
    assert {row.p_chosen for row in found} == {1.0}


def test_a_comparison_outweighs_a_pair_of_a_ranking() -> None:
    ranking = vote("1", ranks=(1, 2, 3), kind="ranking", answers=ABC)
    comparison = vote("2", ranks=(2, 1), answers=("a", "b"))
    [row] = [row for row in rows(ranking, comparison) if {row.chosen, row.rejected} == {"a", "b"}]
    # 1/3 for a, 1 for b: b has 1 of 4/3
    assert (row.chosen, row.n_votes) == ("b", 2)
    assert row.p_chosen == pytest.approx(3 / 4)
    assert row.weight == pytest.approx(4 / 3)


def test_answers_that_a_ranking_leaves_out_are_not_compared() -> None:
    judgement = Judgement(ranks=(1, None, 2))
    [row] = rows(event(kind="ranking", answers=ABC, judgements=(judgement,)))
    assert (row.chosen, row.rejected) == ("a", "c")


@pytest.mark.parametrize("outcome", ["skip", "cannot_judge", "not_rankable"])
def test_who_does_not_say_is_counted_and_dropped(outcome: str) -> None:
    silent = vote("1", outcome=outcome)
    assert rows(silent) == []
    assert counts(silent).abstained == 1
    assert only(silent, vote("2")).n_votes == 1


def test_a_person_has_one_vote_a_pair_and_it_is_the_last() -> None:
    first = vote("1", ranks=(2, 1), annotator_id="ann", created_at="2026-01-01")
    second = vote("2", ranks=(1, 2), annotator_id="ann", created_at="2026-01-02")
    row = only(second, first)
    assert (row.chosen, row.p_chosen, row.feedback_ids) == (BLUE, 1, [second.feedback_id])
    assert counts(second, first).repeated == 1


def test_a_later_skip_takes_a_vote_back() -> None:
    before = vote("1", annotator_id="ann", created_at="2026-01-01")
    after = vote("2", outcome="skip", annotator_id="ann", created_at="2026-01-02")
    assert rows(before, after) == []


def test_unknown_annotators_are_different_people() -> None:
    assert only(vote("1"), vote("2")).n_votes == 2


def test_criteria_are_voted_on_apart() -> None:
    judgements = (Judgement(ranks=(1, 2)), Judgement(criterion="brevity", ranks=(2, 1)))
    heard = event(judgements=judgements)
    found = rows(heard)
    assert {(row.criterion, row.chosen) for row in found} == {("overall", BLUE), ("brevity", MAGIC)}
    brief = preferences([heard], SplitSettings(), "salt", "brevity")
    assert [(row.criterion, row.chosen) for row in brief.rows] == [("brevity", MAGIC)]
    assert brief.counts.votes == 2
    assert len({row.pair_id for row in found}) == 2


def test_equal_answers_are_counted_and_dropped() -> None:
    same = vote("1", answers=("a", "a"))
    assert (rows(same), counts(same).equal_answers, counts(same).votes) == ([], 1, 0)


@pytest.mark.parametrize("status", ["superseded", "withdrawn", "quarantined"])
def test_only_active_events_count(status: str) -> None:
    assert only(vote("1"), vote("2", ranks=(2, 1), status=status)).p_chosen == 1
    assert counts(vote("1"), vote("2", status=status)).inactive == 1


def test_an_event_that_supersedes_another_takes_its_place() -> None:
    wrong = vote("1", ranks=(2, 1), annotator_id="ann")
    right = vote("2", supersedes=wrong.feedback_id, annotator_id="the editor")
    assert only(wrong, right).feedback_ids == [right.feedback_id]
    taken_back = right.model_copy(update={"status": "withdrawn"})
    assert only(wrong, taken_back).feedback_ids == [wrong.feedback_id]


def test_source_and_round_are_those_of_the_first_vote() -> None:
    row = only(vote("1", round=4, source="late"), vote("2", round=2, source="early"))
    assert (row.source, row.round) == ("early", 2)


def test_kinds_without_votes_are_counted_as_such() -> None:
    found = counts(vote("1"), event(kind="demonstration", native="2", answers=("x",)))
    assert found.kinds == {"comparison": 1, "demonstration": 1}


WRITERS = st.sampled_from(["unknown", "ann", "bob"])
MANY = st.lists(
    st.builds(
        lambda native, ranks, writer, round, outcome, question: vote(
            str(native),
            ranks,
            outcome,
            annotator_id=writer,
            round=round,
            question=question,
            prompt_group=f"{question}{round}",
        ),
        st.integers(0, 10**6),
        st.sampled_from([(1, 2), (2, 1), (1, 1)]),
        WRITERS,
        st.integers(0, 2),
        st.sampled_from(["prefer", "tie", "skip"]),
        st.sampled_from(["Why?", "How?"]),
    ),
    max_size=8,
    unique_by=lambda each: each.feedback_id,
)


@settings(deadline=None)
@given(MANY, st.randoms(use_true_random=False))
def test_the_order_of_events_changes_nothing(events: list[FeedbackEvent], shuffler: random.Random) -> None:
    shuffled = list(events)
    shuffler.shuffle(shuffled)
    assert preferences(shuffled, SplitSettings(), "s") == preferences(events, SplitSettings(), "s")
    assert demonstrations(shuffled, SplitSettings(), "s") == demonstrations(events, SplitSettings(), "s")


def test_agreement_is_that_of_the_votes_on_a_row() -> None:
    same, other = (vote(str(n), ranks, annotator_id=f"a{n}") for n, ranks in enumerate([(1, 2), (2, 1)]))
    alone = preferences([same], SplitSettings(), "salt")
    assert alone.agreement is None
    both = preferences([same, other], SplitSettings(), "salt").agreement
    assert both is not None
    assert (both.pairs, both.share) == (1, 0.0)


@settings(deadline=None)
@given(MANY)
def test_every_vote_is_accounted_for(events: list[FeedbackEvent]) -> None:
    found, said, count, _ = preferences(events, SplitSettings(), "s")
    assert [vote.pair_id for vote in said] == [row.pair_id for row in found for _ in range(row.n_votes)]
    assert count.repeated + count.abstained + count.votes == len(events)
    assert count.votes - count.merged == len(found)
    assert sum(row.n_votes for row in found) == count.votes
    assert all(0.5 <= row.p_chosen <= 1 for row in found)


@settings(deadline=None)
@given(MANY, st.text())
def test_neither_a_group_nor_a_prompt_is_on_two_sides(events: list[FeedbackEvent], salt: str) -> None:
    """Not even where events name different groups for one prompt: the first one holds."""
    split = SplitSettings(train=0.34, judge=0.33, holdout=0.33)
    shown = [*events, *(each.model_copy(update={"kind": "demonstration"}) for each in events)]
    found = [(row.group, row.prompt, row.split) for row in preferences(events, split, salt).rows]
    found += [(row.group, row.prompt, row.split) for row in demonstrations(shown, split, salt)]
    assert len({(group, part) for group, _, part in found}) == len({group for group, _, _ in found})
    assert len({(str(prompt), part) for _, prompt, part in found}) == len({str(prompt) for _, prompt, _ in found})


def test_demonstrations_are_what_people_wrote_or_edited() -> None:
    written = event(kind="demonstration", answers=("x",), native="1")
    draft, edited = said("draft"), said("edited", origin="human_edit", parent_ix=0)
    corrected = event("How?", kind="correction", native="2", responses=(draft, edited))
    assert {row.completion for row in demonstrations([written, corrected, vote("3")], SplitSettings(), "salt")} == {
        "x",
        "edited",
    }


def test_the_same_demonstration_of_three_people_weighs_three() -> None:
    again = [event(kind="demonstration", answers=("x",), native=str(number), annotator_id="ann") for number in range(2)]
    others = [event(kind="demonstration", answers=("x",), native=str(number)) for number in range(2, 4)]
    [row] = demonstrations([*again, *others], SplitSettings(), "salt")
    assert row.weight == 3  # ann, who wrote it twice, and two unknown people
    assert len(row.feedback_ids) == 3


def test_rows_keep_their_columns_when_there_are_none() -> None:
    events = [vote("1"), event(kind="demonstration", native="2")]
    found = preferences(events, SplitSettings(), "salt").rows
    assert preference_table(found).to_pylist() == [row._asdict() for row in found]
    assert preference_table([]).schema == preference_table(found).schema
    shown = demonstrations(events, SplitSettings(), "salt")
    assert demonstration_table(shown).to_pylist() == [row._asdict() for row in shown]
