import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadFeedback
from feedback import canonical, pairs
from feedback.votes import effective
from tasks.people import ballots, polls, waiting
from tasks.people.pending import pending
from tasks.people.polls import NoPoll, VotesReceived
from tasks.people.waiting import VotesNeeded
from tasks.state.workspace import Workspace
from tests.cli.annotators import vote
from tests.tasks.people.waiting_round import opened, pair

Records = list[dict[str, Any]]


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """Round 3 waits for two votes."""
    place = opened(tmp_path)
    waiting.begin(place, "votes", 3600, VotesNeeded(votes=2))
    return place


def push(place: Workspace, *records: dict[str, Any]) -> VotesReceived:
    file = place.root / "votes.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return polls.push(place, [file])


def test_what_is_handed_out_is_a_comparison_that_lacks_a_judgement(place: Workspace) -> None:
    first, *_ = polls.pull(place)
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


def test_equal_answers_are_not_handed_out(place: Workspace) -> None:
    assert [record["source_id"] for record in polls.pull(place)] == ["votes-3-00000", "votes-3-00002", "votes-3-00003"]


def test_pulled_twice_the_pairs_are_the_same_and_no_pair_comes_twice(place: Workspace) -> None:
    assert polls.pull(place, "ana", 2) == polls.pull(place, "ana", 2)
    first = polls.pull(place, "ana", 2)
    push(place, *(vote(record, "ana", (1, 2)) for record in first))
    [rest] = polls.pull(place, "ana")
    assert rest["source_id"] not in {record["source_id"] for record in first}
    assert len(polls.pull(place, "bo")) == 3  # another person's votes take nothing away


def test_people_who_each_pull_one_pair_get_different_ones(place: Workspace) -> None:
    firsts = {polls.pull(place, f"person {number}", 1)[0]["source_id"] for number in range(20)}
    assert len(firsts) == 3


def test_votes_are_counted_as_they_come_in(place: Workspace) -> None:
    one, *_ = polls.pull(place)
    assert push(place, vote(one, "ana", (1, 2))) == (1, 0, 0)
    assert push(place, vote(one, "ana", (1, 2)), vote(one, "bo", (1, 1))) == (1, 0, 1)
    status = pending(place)
    assert status is not None
    assert ("2 of 2 are in" in status.summary, status.ready) == (True, True)


def test_a_vote_without_overall_judgement_does_not_count(place: Workspace) -> None:
    one, two, three = polls.pull(place)
    push(
        place,
        vote(one, "ana") | {"judgements": [{"outcome": "cannot_judge"}]},
        vote(two, "ana") | {"judgements": [{"criterion": "polite", "ranks": [1, 2]}]},
        vote(three, "a model", (1, 2)) | {"annotator_type": "ai"},
    )
    assert (len(polls.cast(place)), polls.count(place)) == (3, 0)


def test_a_vote_is_withdrawn_by_skipping_its_pair(place: Workspace) -> None:
    one, *_ = polls.pull(place)
    push(place, vote(one, "ana", (1, 2)))
    assert push(place, vote(one, "ana") | {"judgements": [{"outcome": "skip"}]}) == (0, 1, 0)
    assert (len(polls.cast(place)), polls.count(place)) == (2, 0)


@given(ranks=st.lists(st.sampled_from([(1, 2), (2, 1), (1, 1)]), min_size=1, max_size=6))
def test_the_last_vote_of_a_person_counts_and_earlier_ones_are_kept(
    ranks: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = opened(tmp_path_factory.mktemp("place"))
    waiting.begin(place, "votes", 3600, VotesNeeded(votes=2))
    pair = polls.pull(place)[0]
    for rank in ranks:
        push(place, vote(pair, "ana", rank))
    cast = polls.cast(place)
    [last] = effective(cast)
    assert last.judgements == canonical.event(vote(pair, "ana", ranks[-1]), {}).judgements
    assert len(cast) == 1 + sum(one != other for one, other in pairwise(ranks))
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
def test_a_file_with_one_bad_vote_is_refused_whole(place: Workspace, change: dict[str, Any], reason: str) -> None:
    one, two, _ = polls.pull(place)
    with pytest.raises(BadFeedback) as refusal:
        push(place, vote(two, "ana", (1, 2)), vote(one, "ana", (1, 2)) | change)
    assert "\n  votes.jsonl:2: " in str(refusal.value)
    assert reason in str(refusal.value)
    assert polls.cast(place) == []


def test_changed_and_exchanged_answers_are_refused(place: Workspace) -> None:
    one, *_ = polls.pull(place)
    left, right = one["responses"]
    nicer = {**left, "messages": [{"role": "assistant", "content": "Yes, please."}]}
    for answers in ([nicer, right], [right, left]):
        with pytest.raises(BadFeedback, match="responses"):
            push(place, vote(one, "ana", (1, 2)) | {"responses": answers})


def test_on_disk_votes_stay_blinded(place: Workspace) -> None:
    push(place, vote(polls.pull(place)[0], "ana", (1, 2)))
    [file] = (place.ballots / ballots.batch(place)).glob("*.jsonl")
    assert json.loads(file.read_text())["responses"][0]["model_version"] is None


def test_votes_are_refused_after_the_round_continued(place: Workspace) -> None:
    record = vote(polls.pull(place)[0], "ana", (1, 2))
    with waiting.changing(place):
        waiting.end(place, polls.poll(place))
    with pytest.raises(NoPoll, match=r"vote\.annotator"):
        push(place, record)
    with pytest.raises(NoPoll):
        polls.pull(place)


def test_votes_on_other_answers_do_not_count(place: Workspace) -> None:
    """A reopened round with another candidate."""
    push(place, vote(polls.pull(place)[0], "ana", (1, 2)))
    pairs.write(place.pairs, [pair(0, "Yes.", "Never.")])
    assert polls.count(place) == 0
