"""A round whose fresh votes are people's, and whose candidate a person has to sign: by the command line alone."""

import json
from pathlib import Path

import pytest

from cli.round import WAITS
from core.files import read_json, write_json
from feedback import store
from flows.round import rlhf_round
from tasks.people import waiting
from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.state import records
from tasks.state.workspace import Workspace
from tests.cli.annotators import PEOPLE, vote, voted
from tests.commands import Rounds
from tests.profile import HOLD, PROMOTE, TINY
from tests.workspaces import moved

SIGNED = "approval.required=true"


def settings(*overrides: str) -> list[str]:
    return [word for override in (*TINY, *overrides) for word in ("-S", override)]


@pytest.fixture(scope="module")
def asking(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Round 2 waits for ten votes, and then for a signature. To be read."""
    place = moved(finished, tmp_path_factory.mktemp("asking") / "workspace")
    assert rlhf_round([*TINY, PROMOTE, PEOPLE, SIGNED], str(place.root)) is None
    return place


@pytest.fixture
def place(asking: Workspace, tmp_path: Path) -> Workspace:
    """A copy, to be voted in."""
    return moved(asking, tmp_path / "place")


@pytest.fixture
def signing(place: Workspace, rounds: Rounds, tmp_path: Path) -> Workspace:
    """Ana has voted on every pair, and the round waits for a signature."""
    rounds("votes", "pull", "--into", tmp_path / "pairs.jsonl", "-w", place.root)
    rounds("votes", "push", voted(tmp_path / "pairs.jsonl", tmp_path / "votes.jsonl", "ana"), "-w", place.root)
    said = rounds("round", "-w", place.root)
    assert said.code == WAITS, said.err
    return place


def late(place: Workspace, what: waiting.What) -> None:
    """The time of a wait is up."""
    file = place.waiting / f"{what}.json"
    write_json(file, read_json(file) | {"until": "2026-01-01T00:00:00+00:00"})


def test_a_round_that_waits_says_so_and_is_neither_done_nor_failed(rounds: Rounds, place: Workspace) -> None:
    said = rounds("round", "-w", place.root)
    assert (said.code, said.err) == (WAITS, "")
    assert "Round 2 waits for votes: 0 of 10 are in; it waits until 20" in said.out
    assert "`rounds votes pull` hands out pairs" in said.out
    assert "Round 2 waits for votes" in rounds("status", "-w", place.root).out
    assert "because round 2 waits for votes: 0 of 10 are in" in rounds("plan", "-w", place.root).out
    assert not records.path(place, 2).exists()


def test_no_other_round_is_opened_meanwhile(rounds: Rounds, place: Workspace) -> None:
    before = read_json(place.waiting / "votes.json")
    assert rounds("round", "--new", "-w", place.root).code == WAITS
    assert rlhf_round([], str(place.root)) is None  # nor by a deployment, and the deadline stays
    assert rlhf_round([], str(place.root), when_pending=True) is None
    assert read_json(place.waiting / "votes.json") == before
    said = rounds("round", "-w", place.root, *settings(PROMOTE, "policy.clip=0.1"))
    assert (said.code, "round 2 is open with other parameters" in said.err) == (2, True)


def test_people_pull_vote_and_push_and_the_round_counts_their_votes(
    rounds: Rounds, place: Workspace, tmp_path: Path
) -> None:
    for name, limit in (("ana", 6), ("bo", 6)):
        pulled, given = tmp_path / f"{name}.jsonl", tmp_path / f"{name} voted.jsonl"
        said = rounds("votes", "pull", "--annotator", name, "--limit", limit, "--into", pulled, "-w", place.root)
        assert f"6 pairs in {pulled}" in said.out
        said = rounds("votes", "push", voted(pulled, given, name), "-w", place.root)
        assert "6 new votes, 0 changed, 0 known." in said.out
    assert "Enough: `rounds round` goes on with round 2." in said.out

    first = json.loads((tmp_path / "ana.jsonl").read_text().splitlines()[0])
    (tmp_path / "again.jsonl").write_text(json.dumps(vote(first, "ana", (1, 1))) + "\n")
    rounds("votes", "push", tmp_path / "again.jsonl", "-w", place.root)
    assert rounds("round", "-w", place.root).code == WAITS  # for the signature

    numbers = read_json(place.report("evaluate"))["metrics"]
    assert numbers["votes"] == 12
    kept = store.events(place.votes, {2})
    assert {event.annotator_id for event in kept} == {"ana", "bo"}
    changed = [event for event in kept if event.supersedes]
    assert len(kept) == 12 + len(changed)
    assert {response.model_version for event in kept for response in event.responses} == {"candidate", "champion"}
    assert not {event.annotator_id for event in store.events(place.feedback)} & {"ana", "bo"}
    late_vote = rounds("votes", "push", tmp_path / "again.jsonl", "-w", place.root)
    assert (late_vote.code, "waits for votes" in late_vote.err) == (2, True)


def test_without_enough_votes_in_time_the_verdict_is_hold(rounds: Rounds, finished: Workspace, tmp_path: Path) -> None:
    place = moved(finished, tmp_path / "place")
    assert rounds("round", "--new", "-w", place.root, *settings(HOLD, PEOPLE)).code == WAITS
    rounds("votes", "pull", "--limit", 3, "--into", tmp_path / "pairs.jsonl", "-w", place.root)
    rounds("votes", "push", voted(tmp_path / "pairs.jsonl", tmp_path / "votes.jsonl", "ana"), "-w", place.root)
    late(place, "votes")
    said = rounds("round", "-w", place.root)
    assert (said.code, "Round 2: hold" in said.out) == (0, True)
    assert records.metrics(place, 2)["evaluate/votes"] == 3


def test_a_yes_promotes_and_is_in_the_record_the_summary_and_the_audit_log(rounds: Rounds, signing: Workspace) -> None:
    assert "waits for approval: its candidate" in rounds("status", "-w", signing.root).out
    said = rounds("approve", 2, "--by", "ana", "--why", "read twenty answers", "-w", signing.root)
    assert "Round 2: approved by ana; `rounds round` ends the round." in said.out
    said = rounds("round", "-w", signing.root)
    assert (said.code, "Round 2: promote" in said.out) == (0, True)
    assert "the candidate was approved by ana: read twenty answers" in said.out
    champion = Registry(signing.root).champion()
    assert champion is not None
    assert champion.round == 2
    events = [(line.event, line.who) for line in audit.read(signing.audit)]
    assert events[-2:] == [("approval", "ana"), ("promote", "rounds")]
    assert audit.verify(signing.audit) == []


def test_a_no_holds_the_candidate(rounds: Rounds, signing: Workspace) -> None:
    rounds("approve", 2, "--by", "bo", "--why", "too curt", "--refuse", "-w", signing.root)
    again = rounds("approve", 2, "--by", "ana", "--why", "not at all", "-w", signing.root)
    assert (again.code, "was refused by bo: too curt" in again.err) == (2, True)
    assert "Round 2: hold" in rounds("round", "-w", signing.root).out
    registry = Registry(signing.root)
    champion = registry.champion()
    assert champion is not None
    assert (champion.round, registry.versions("policy")[0].tags["verdict"]) == (1, "hold")


def test_nobodys_word_holds_the_candidate(rounds: Rounds, signing: Workspace) -> None:
    late(signing, "approval")
    assert "Round 2: hold" in rounds("round", "-w", signing.root).out
    [_, finding] = records.read(signing, 2).verdict.findings
    assert (finding.gate, finding.reason) == ("approval", "nobody decided until 2026-01-01 00:00 UTC")


def test_a_candidate_is_not_promoted_over_a_champion_it_was_not_compared_with(
    rounds: Rounds, signing: Workspace
) -> None:
    """Somebody rolled back while the others took their time."""
    rounds("approve", 2, "--by", "ana", "--why", "good", "-w", signing.root)
    Registry(signing.root).rollback(None, "rude", "bo")
    assert "Round 2: hold" in rounds("round", "-w", signing.root).out
    finding = records.read(signing, 2).verdict.findings[-1]
    assert finding.reason.startswith("policy@champion is 1, expected 2: version 3 was compared with another")


def test_opened_anew_the_round_asks_again_and_keeps_the_votes(rounds: Rounds, signing: Workspace) -> None:
    """The same inputs give the same answers, so that votes on them still hold."""
    said = rounds("round", "--reopen", "-w", signing.root, *settings(PROMOTE, PEOPLE, SIGNED))
    assert (said.code, "Round 2 waits for approval" in said.out) == (WAITS, True)
    assert read_json(signing.report("evaluate"))["metrics"]["votes"] >= 10
