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
from tests.feedback.examples import event, reply, vote

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
    counted = counts(*events)
    assert (counted.votes, counted.merged, counted.conflicting, counted.ties) == (3, 2, 1, 0)


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
    assert counts(*mixed).conflicting == 0, "a tie conflicts with no vote"


def test_equal_ranks_are_a_tie() -> None:
    assert only(vote("1", ranks=(1, 1))).p_chosen == 0.5


def test_the_order_in_which_answers_were_shown_does_not_matter() -> None:
    swapped = vote("2", ranks=(2, 1), answers=(MAGIC, BLUE))
    row = only(vote("1"), swapped)
    assert (row.chosen, row.p_chosen, row.n_votes) == (BLUE, 1, 2)


def test_a_ranking_of_three_gives_three_pairs_of_weight_one_third() -> None:
    ranked = rows(vote("1", ranks=(2, 1, 3), kind="ranking", answers=ABC))
    assert {(row.chosen, row.rejected) for row in ranked} == {("b", "a"), ("b", "c"), ("a", "c")}
    assert [row.weight for row in ranked] == pytest.approx([1 / 3] * 3)
    assert {row.p_chosen for row in ranked} == {1.0}


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
def test_abstentions_are_counted_and_dropped(outcome: str) -> None:
    abstention = vote("1", outcome=outcome)
    assert rows(abstention) == []
    assert counts(abstention).abstained == 1
    assert only(abstention, vote("2")).n_votes == 1


def test_only_the_last_vote_of_a_person_on_a_pair_counts() -> None:
    first = vote("1", ranks=(2, 1), annotator_id="ann", created_at="2026-01-01")
    second = vote("2", ranks=(1, 2), annotator_id="ann", created_at="2026-01-02")
    row = only(second, first)
    assert (row.chosen, row.p_chosen, row.feedback_ids) == (BLUE, 1, [second.feedback_id])
    assert counts(second, first).repeated == 1


def test_a_later_skip_withdraws_a_vote() -> None:
    before = vote("1", annotator_id="ann", created_at="2026-01-01")
    after = vote("2", outcome="skip", annotator_id="ann", created_at="2026-01-02")
    assert rows(before, after) == []


def test_unknown_annotators_are_different_people() -> None:
    assert only(vote("1"), vote("2")).n_votes == 2


def test_each_criterion_has_rows_of_its_own() -> None:
    judgements = (Judgement(ranks=(1, 2)), Judgement(criterion="brevity", ranks=(2, 1)))
    judged = event(judgements=judgements)
    both = rows(judged)
    assert {(row.criterion, row.chosen) for row in both} == {("overall", BLUE), ("brevity", MAGIC)}
    brevity = preferences([judged], SplitSettings(), "salt", "brevity")
    assert [(row.criterion, row.chosen) for row in brevity.rows] == [("brevity", MAGIC)]
    assert brevity.counts.votes == 2
    assert len({row.pair_id for row in both}) == 2


def test_equal_answers_are_counted_and_dropped() -> None:
    same = vote("1", answers=("a", "a"))
    assert (rows(same), counts(same).equal_answers, counts(same).votes) == ([], 1, 0)


@pytest.mark.parametrize("status", ["superseded", "withdrawn", "quarantined"])
def test_only_active_events_count(status: str) -> None:
    assert only(vote("1"), vote("2", ranks=(2, 1), status=status)).p_chosen == 1
    assert counts(vote("1"), vote("2", status=status)).inactive == 1


def test_a_superseded_event_does_not_count() -> None:
    wrong = vote("1", ranks=(2, 1), annotator_id="ann")
    right = vote("2", supersedes=wrong.feedback_id, annotator_id="the editor")
    assert only(wrong, right).feedback_ids == [right.feedback_id]
    withdrawn = right.model_copy(update={"status": "withdrawn"})
    assert only(wrong, withdrawn).feedback_ids == [wrong.feedback_id]


def test_source_and_round_are_those_of_the_first_vote() -> None:
    row = only(vote("1", round=4, source="late"), vote("2", round=2, source="early"))
    assert (row.source, row.round) == ("early", 2)


def test_kinds_without_votes_are_counted_too() -> None:
    counted = counts(vote("1"), event(kind="demonstration", native="2", answers=("x",)))
    assert counted.kinds == {"comparison": 1, "demonstration": 1}


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
@given(MANY)
def test_the_order_of_rounds_does_not_matter(events: list[FeedbackEvent]) -> None:
    latest_first = sorted(events, key=lambda each: -each.round)
    assert preferences(latest_first, SplitSettings(), "s") == preferences(events, SplitSettings(), "s")
    assert demonstrations(latest_first, SplitSettings(), "s") == demonstrations(events, SplitSettings(), "s")


def test_agreement_is_that_of_the_votes_on_a_row() -> None:
    first, second = (vote(str(n), ranks, annotator_id=f"a{n}") for n, ranks in enumerate([(1, 2), (2, 1)]))
    alone = preferences([first], SplitSettings(), "salt")
    assert alone.agreement is None
    both = preferences([first, second], SplitSettings(), "salt").agreement
    assert both is not None
    assert (both.pairs, both.share) == (1, 0.0)


@settings(deadline=None)
@given(MANY)
def test_every_vote_is_accounted_for(events: list[FeedbackEvent]) -> None:
    made, vote_rows, count, _ = preferences(events, SplitSettings(), "s")
    assert [vote.pair_id for vote in vote_rows] == [row.pair_id for row in made for _ in range(row.n_votes)]
    assert count.repeated + count.abstained + count.votes == len(events)
    assert count.votes - count.merged == len(made)
    assert sum(row.n_votes for row in made) == count.votes
    assert all(0.5 <= row.p_chosen <= 1 for row in made)


@settings(deadline=None)
@given(MANY, st.text())
def test_no_group_and_no_prompt_is_in_two_splits(events: list[FeedbackEvent], salt: str) -> None:
    """Even if events state different groups for one prompt: the first group is used."""
    split = SplitSettings(train=0.34, judge=0.33, holdout=0.33)
    shown = [*events, *(each.model_copy(update={"kind": "demonstration"}) for each in events)]
    made = [(row.group, row.prompt, row.split) for row in preferences(events, split, salt).rows]
    made += [(row.group, row.prompt, row.split) for row in demonstrations(shown, split, salt)]
    assert len({(group, part) for group, _, part in made}) == len({group for group, _, _ in made})
    assert len({(str(prompt), part) for _, prompt, part in made}) == len({str(prompt) for _, prompt, _ in made})


def test_demonstrations_are_answers_that_people_wrote_or_edited() -> None:
    written = event(kind="demonstration", answers=("x",), native="1")
    draft, edited = reply("draft"), reply("edited", origin="human_edit", parent_ix=0)
    corrected = event("How?", kind="correction", native="2", responses=(draft, edited))
    assert {row.completion for row in demonstrations([written, corrected, vote("3")], SplitSettings(), "salt")} == {
        "x",
        "edited",
    }


def test_the_same_demonstration_by_three_people_has_weight_three() -> None:
    again = [event(kind="demonstration", answers=("x",), native=str(number), annotator_id="ann") for number in range(2)]
    others = [event(kind="demonstration", answers=("x",), native=str(number)) for number in range(2, 4)]
    [row] = demonstrations([*again, *others], SplitSettings(), "salt")
    assert row.weight == 3  # ann, who wrote it twice, and two unknown people
    assert len(row.feedback_ids) == 3


def test_tables_have_their_columns_even_without_rows() -> None:
    events = [vote("1"), event(kind="demonstration", native="2")]
    made = preferences(events, SplitSettings(), "salt").rows
    assert preference_table(made).to_pylist() == [row._asdict() for row in made]
    assert preference_table([]).schema == preference_table(made).schema
    demonstrated = demonstrations(events, SplitSettings(), "salt")
    assert demonstration_table(demonstrated).to_pylist() == [row._asdict() for row in demonstrated]
