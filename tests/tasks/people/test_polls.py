import json
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadFeedback
from feedback import canonical, pairs
from feedback.store.database import NoDatabase
from feedback.votes import effective
from tasks.people import ballots, polls, waiting
from tasks.people.pending import pending
from tasks.people.polls import NoPoll, VotesReceived
from tasks.people.waiting import VotesNeeded
from tasks.state import round as rounds
from tasks.state import tombstones
from tasks.state.workspace import Workspace
from tests.cli.annotators import vote
from tests.tasks.people.waiting_round import opened, pair

Records = list[dict[str, Any]]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Round 3 waits for two votes."""
    workspace = opened(tmp_path)
    waiting.begin(workspace, "votes", 3600, VotesNeeded(votes=2))
    return workspace


def push(workspace: Workspace, *records: dict[str, Any]) -> VotesReceived:
    file = workspace.root / "votes.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return polls.push(workspace, [file])


def test_what_is_handed_out_is_a_comparison_that_lacks_a_judgement(workspace: Workspace) -> None:
    first, *_ = polls.pull(workspace)
    assert first == {
        "kind": "comparison",
        "source": "votes",
        "source_id": "votes-3-00000",
        "round": 3,
        "prompt": [{"role": "user", "content": "Question 0?"}],
        "responses": [
            {"response_id": "votes-3-00000-a", "messages": [{"role": "assistant", "content": "Yes."}]},
            {"response_id": "votes-3-00000-b", "messages": [{"role": "assistant", "content": "No."}]},
        ],
        "shown_order": [0, 1],
    }
    event = canonical.event(vote(first, "ana", (1, 2)), {})
    assert (event.annotator_id, event.judgements[0].ranks) == ("ana", (1, 2))


def test_equal_answers_are_not_handed_out(workspace: Workspace) -> None:
    assert [record["source_id"] for record in polls.pull(workspace)] == [
        "votes-3-00000",
        "votes-3-00002",
        "votes-3-00003",
    ]


def test_a_vote_that_is_taken_back_on_the_label_page_is_not_noted_again(workspace: Workspace) -> None:
    """`rounds votes` does not offer the pair again: there, a person who withdraws a vote has finished with it."""
    from feedback.store import label_tasks
    from tasks.state import feedback_database

    [record] = polls.pull(workspace, "ana", 1)
    assert polls.vote(workspace, vote(record, "ana", (1, 2))) == (1, 0, 0)
    first = polls.latest(workspace, "ana", record["source_id"])
    assert polls.repeats(vote(record, "ana", (1, 2)), first)
    assert not polls.repeats(vote(record, "ana", (2, 1)), first)
    assert not polls.repeats(vote(record, "bob", (1, 2)), polls.latest(workspace, "bob", record["source_id"]))
    with pytest.raises(polls.VotedBefore, match="take that one back"):
        polls.vote(workspace, vote(record, "ana", (2, 1)), replaces=False)
    assert polls.vote(workspace, vote(record, "ana", (1, 2)), replaces=False) == (0, 0, 1)
    polls.take_back(workspace, vote(record, "ana", (1, 2)))
    assert record not in polls.pull(workspace, "ana")
    with feedback_database.opened(workspace) as database:
        last = label_tasks.last(database, "ana")
        assert last is not None
        database.write(label_tasks.reopening(last, 1, last.until))
    assert record in polls.pull(workspace, "ana")


def test_annotators_do_not_see_the_salt(workspace: Workspace) -> None:
    salt = rounds.inputs(workspace).salt
    pulled = polls.pull(workspace, "ana", 2)
    push(workspace, *(vote(record, "ana", (1, 2)) for record in pulled))
    [ballot] = workspace.ballots.rglob("*.jsonl")
    assert salt
    assert salt not in json.dumps(pulled) + ballot.read_text()


def test_pulled_twice_the_pairs_are_the_same_and_no_pair_comes_twice(workspace: Workspace) -> None:
    assert polls.pull(workspace, "ana", 2) == polls.pull(workspace, "ana", 2)
    first = polls.pull(workspace, "ana", 2)
    push(workspace, *(vote(record, "ana", (1, 2)) for record in first))
    [rest] = polls.pull(workspace, "ana")
    assert rest["source_id"] not in {record["source_id"] for record in first}
    assert len(polls.pull(workspace, "bo")) == 3  # another person's votes take nothing away


def test_people_who_each_pull_one_pair_get_different_ones(workspace: Workspace) -> None:
    firsts = {polls.pull(workspace, f"person {number}", 1)[0]["source_id"] for number in range(20)}
    assert len(firsts) == 3


def names(records: Records) -> list[str]:
    return [record["source_id"] for record in records]


def test_what_is_held_is_given_again_and_others_get_others_while_it_is(workspace: Workspace) -> None:
    first = names(polls.pull(workspace, "ana", 2))
    assert first == ["votes-3-00000", "votes-3-00002"]
    assert names(polls.pull(workspace, "bo", 1)) == ["votes-3-00003"], "the only one that nobody has"
    assert names(polls.pull(workspace, "ana", 1)) == first[:1]
    assert names(polls.pull(workspace, "ana", 3)) == [*first, "votes-3-00003"]
    assert names(polls.pull(workspace)) == [*first, "votes-3-00003"], "without a name, all are listed"


def test_pairs_whose_time_is_over_go_to_others_and_stay_with_the_one_who_took_them(workspace: Workspace) -> None:
    over = timedelta(microseconds=1)
    pulled = polls.pull(workspace, "ana", 1, over)
    assert names(polls.pull(workspace, "bo", 1)) == names(pulled)
    assert push(workspace, vote(pulled[0], "ana", (1, 2))).new == 1


def test_pairs_with_the_fewest_votes_come_first(workspace: Workspace) -> None:
    every = polls.pull(workspace)
    push(workspace, vote(every[0], "ana", (1, 2)), vote(every[1], "ana", (1, 2)), vote(every[0], "bo", (1, 2)))
    assert names(polls.pull(workspace, "cem", 3)) == sorted(names(every)), "a file has the order of the pairs"
    assert names(polls.pull(workspace, "dan", 1)) == ["votes-3-00003"]
    assert polls.progress(workspace) == (3, 3, 2, 4)


def test_a_push_that_was_killed_before_the_queue_knew_is_completed_by_the_next_pull(workspace: Workspace) -> None:
    pulled = polls.pull(workspace, "ana", 2)
    push(workspace, vote(pulled[0], "ana", (1, 2)))
    workspace.feedback_database.unlink()  # as if the queue had never been told
    assert names(polls.pull(workspace, "ana")) == ["votes-3-00002", "votes-3-00003"]


def test_votes_are_not_stored_if_the_queue_cannot_be_opened(workspace: Workspace) -> None:
    every = polls.pull(workspace)
    workspace.feedback_database.write_text("no database " * 100)
    with pytest.raises(NoDatabase):
        push(workspace, vote(every[0], "ana", (1, 2)))
    assert polls.cast(workspace) == []


@pytest.mark.parametrize(("annotator", "why"), [(" ", "several people"), ("x" * 600, "512"), ("gone", "forgotten")])
def test_who_is_not_one_person_or_is_forgotten_gets_no_pairs_and_casts_no_votes(
    workspace: Workspace, annotator: str, why: str
) -> None:
    tombstones.add(workspace, "gone", "bo", "asked", (), ())
    with pytest.raises(BadFeedback, match=why):
        polls.pull(workspace, annotator)
    if annotator.strip():
        with pytest.raises(BadFeedback, match=why):
            push(workspace, vote(polls.pull(workspace)[0], annotator, (1, 2)))
        assert polls.cast(workspace) == []


def test_votes_are_counted_as_they_come_in(workspace: Workspace) -> None:
    first, *_ = polls.pull(workspace)
    assert push(workspace, vote(first, "ana", (1, 2))) == (1, 0, 0)
    assert push(workspace, vote(first, "ana", (1, 2)), vote(first, "bo", (1, 1))) == (1, 0, 1)
    status = pending(workspace)
    assert status is not None
    assert ("2 of 2 are in" in status.summary, status.ready) == (True, True)


def test_a_vote_without_overall_judgement_does_not_count(workspace: Workspace) -> None:
    first, second, third = polls.pull(workspace)
    push(
        workspace,
        vote(first, "ana") | {"judgements": [{"outcome": "cannot_judge"}]},
        vote(second, "ana") | {"judgements": [{"criterion": "polite", "ranks": [1, 2]}]},
        vote(third, "a model", (1, 2)) | {"annotator_type": "ai"},
    )
    assert (len(polls.cast(workspace)), polls.count(workspace)) == (3, 0)


def test_a_vote_is_withdrawn_by_skipping_its_pair(workspace: Workspace) -> None:
    first, *_ = polls.pull(workspace)
    push(workspace, vote(first, "ana", (1, 2)))
    assert push(workspace, vote(first, "ana") | {"judgements": [{"outcome": "skip"}]}) == (0, 1, 0)
    assert (len(polls.cast(workspace)), polls.count(workspace)) == (2, 0)


@settings(max_examples=30, deadline=None)
@given(ranks=st.lists(st.sampled_from([(1, 2), (2, 1), (1, 1)]), min_size=1, max_size=6))
def test_the_last_vote_of_a_person_counts_and_earlier_ones_are_kept(
    ranks: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    workspace = opened(tmp_path_factory.mktemp("workspace"))
    waiting.begin(workspace, "votes", 3600, VotesNeeded(votes=2))
    pair = polls.pull(workspace)[0]
    for rank in ranks:
        push(workspace, vote(pair, "ana", rank))
    cast = polls.cast(workspace)
    [last] = effective(cast)
    assert last.judgements == canonical.event(vote(pair, "ana", ranks[-1]), {}).judgements
    assert len(cast) == 1 + sum(first != other for first, other in pairwise(ranks))
    assert len({event.feedback_id for event in cast}) == len(cast)


BAD = [
    ({"source_id": "votes-2-00000"}, "'votes-2-00000'"),
    ({"source_id": "votes-3-00001"}, "'votes-3-00001'"),
    ({"annotator_id": "unknown"}, "annotator_id"),
    ({"judgements": []}, "judgements"),
    ({"prompt": "Another question?"}, "prompt differs from that of votes-3-00000"),
    ({"responses": ["Yes.", "No."]}, "responses differ from those of votes-3-00000"),
    ({"shown_order": None}, "shown_order"),
    ({"source": "elsewhere"}, "source 'elsewhere'"),
    ({"kind": "ranking"}, "kind is 'ranking'"),
    ({"supersedes": "x"}, "supersedes"),
    ({"status": "withdrawn"}, "`skip`"),
    ({"polite": True}, "polite"),
]


@pytest.mark.parametrize(("change", "reason"), BAD)
def test_a_file_with_one_bad_vote_is_refused_whole(workspace: Workspace, change: dict[str, Any], reason: str) -> None:
    first, second, _ = polls.pull(workspace)
    with pytest.raises(BadFeedback) as refusal:
        push(workspace, vote(second, "ana", (1, 2)), vote(first, "ana", (1, 2)) | change)
    assert "\n  votes.jsonl:2: " in str(refusal.value)
    assert reason in str(refusal.value)
    assert polls.cast(workspace) == []


def test_changed_and_exchanged_answers_are_refused(workspace: Workspace) -> None:
    first, *_ = polls.pull(workspace)
    left, right = first["responses"]
    nicer = {**left, "messages": [{"role": "assistant", "content": "Yes, please."}]}
    for answers in ([nicer, right], [right, left]):
        with pytest.raises(BadFeedback, match="responses"):
            push(workspace, vote(first, "ana", (1, 2)) | {"responses": answers})


def test_on_disk_votes_stay_blinded(workspace: Workspace) -> None:
    push(workspace, vote(polls.pull(workspace)[0], "ana", (1, 2)))
    [file] = (workspace.ballots / ballots.pairs_id(workspace)).glob("*.jsonl")
    assert json.loads(file.read_text())["responses"][0]["model_version"] is None


def test_votes_are_refused_after_the_round_continued(workspace: Workspace) -> None:
    record = vote(polls.pull(workspace)[0], "ana", (1, 2))
    with waiting.changing(workspace):
        waiting.end(workspace, polls.poll(workspace))
    with pytest.raises(NoPoll, match=r"vote\.annotator"):
        push(workspace, record)
    with pytest.raises(NoPoll):
        polls.pull(workspace)


def test_votes_on_other_answers_do_not_count(workspace: Workspace) -> None:
    """A reopened round with another candidate."""
    push(workspace, vote(polls.pull(workspace)[0], "ana", (1, 2)))
    pairs.write(workspace.pairs, [pair(0, "Yes.", "Never.")])
    assert polls.count(workspace) == 0
