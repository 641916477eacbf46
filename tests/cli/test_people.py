"""A round with votes of people and an approval, on the command line."""

import json
from pathlib import Path

import pytest

from cli.round import WAITS
from core.files import read_json, write_json
from feedback import store
from flows.round import rlhf_round
from tasks.people import polls, waiting
from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.state import records
from tasks.state.workspace import Workspace
from tests.cli.annotators import PEOPLE, vote, voted
from tests.commands import Rounds
from tests.cures import cures, words
from tests.profile import HOLD, PROMOTE, TINY
from tests.workspaces import moved

pytestmark = [pytest.mark.rounds, pytest.mark.usefixtures("prefect")]

SIGNED = "approval.required=true"


def settings(*overrides: str) -> list[str]:
    return [word for override in (*TINY, *overrides) for word in ("-S", override)]


@pytest.fixture(scope="module")
def asking(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Round 2 waits for ten votes, and then for an approval. Read-only."""
    workspace = moved(finished, tmp_path_factory.mktemp("asking") / "workspace")
    assert rlhf_round([*TINY, PROMOTE, PEOPLE, SIGNED], str(workspace.root)) is None
    return workspace


@pytest.fixture
def voting(asking: Workspace, tmp_path: Path) -> Workspace:
    """A copy in which tests vote."""
    return moved(asking, tmp_path / "voting")


@pytest.fixture(scope="module")
def approving(asking: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Ana has voted on every pair, and round 2 waits for an approval. Read-only."""
    folder = tmp_path_factory.mktemp("approving")
    workspace = moved(asking, folder / "workspace")
    (folder / "pairs.jsonl").write_text("".join(polls.as_lines(polls.pull(workspace))))
    polls.push(workspace, [voted(folder / "pairs.jsonl", folder / "votes.jsonl", "ana")])
    assert rlhf_round([*TINY, PROMOTE, PEOPLE, SIGNED], str(workspace.root)) is None
    assert (workspace.waiting / "approval.json").exists()
    return workspace


@pytest.fixture
def signing(approving: Workspace, tmp_path: Path) -> Workspace:
    """A copy in which tests decide."""
    return moved(approving, tmp_path / "signing")


def late(workspace: Workspace, what: waiting.What) -> None:
    """Set the deadline of a wait to the past."""
    file = workspace.waiting / f"{what}.json"
    write_json(file, read_json(file) | {"until": "2026-01-01T00:00:00+00:00"})


def test_a_waiting_round_has_an_exit_status_of_its_own(rounds: Rounds, voting: Workspace) -> None:
    result = rounds("round", "-w", voting.root)
    assert (result.code, result.err) == (WAITS, "")
    assert "Round 2 waits for votes: 0 of 10 are in; it waits until 20" in result.out
    assert "rounds votes pull" in result.out
    assert "Round 2 waits for votes" in rounds("status", "-w", voting.root).out
    assert "because round 2 waits for votes: 0 of 10 are in" in rounds("plan", "-w", voting.root).out
    assert not records.path(voting, 2).exists()


def test_no_other_round_is_opened_in_the_meantime(rounds: Rounds, voting: Workspace) -> None:
    before = read_json(voting.waiting / "votes.json")
    assert rounds("round", "--new", "-w", voting.root).code == WAITS
    assert rlhf_round([], str(voting.root)) is None  # nor by a deployment, and the deadline does not change
    assert rlhf_round([], str(voting.root), when_pending=True) is None
    assert read_json(voting.waiting / "votes.json") == before
    result = rounds("round", "-w", voting.root, *settings(PROMOTE, "policy.clip=0.1"))
    assert (result.code, "round 2 is open with other parameters" in result.err) == (2, True)


def test_people_pull_vote_and_push_and_the_round_counts_their_votes(
    rounds: Rounds, voting: Workspace, tmp_path: Path
) -> None:
    for name, limit in (("ana", 6), ("bo", 6)):
        pulled, given = tmp_path / f"{name}.jsonl", tmp_path / f"{name} voted.jsonl"
        result = rounds("votes", "pull", "--annotator", name, "--limit", limit, "--into", pulled, "-w", voting.root)
        assert f"6 pairs to {pulled}" in result.out
        result = rounds("votes", "push", voted(pulled, given, name), "-w", voting.root)
        assert "6 new votes, 0 changed" in result.out
    assert f"`rounds round -w {voting.root}`" in result.out

    first = json.loads((tmp_path / "ana.jsonl").read_text().splitlines()[0])
    (tmp_path / "again.jsonl").write_text(json.dumps(vote(first, "ana", (1, 1))) + "\n")
    rounds("votes", "push", tmp_path / "again.jsonl", "-w", voting.root)
    assert rounds("round", "-w", voting.root).code == WAITS  # for the approval

    numbers = read_json(voting.report("evaluate"))["metrics"]
    assert numbers["votes"] == 12
    votes_ = store.events(voting.votes, {2})
    assert {event.annotator_id for event in votes_} == {"ana", "bo"}
    changed = [event for event in votes_ if event.supersedes]
    assert len(votes_) == 12 + len(changed)
    assert {response.model_version for event in votes_ for response in event.responses} == {"candidate", "champion"}
    assert not {event.annotator_id for event in store.events(voting.feedback)} & {"ana", "bo"}
    late_vote = rounds("votes", "push", tmp_path / "again.jsonl", "-w", voting.root)
    assert (late_vote.code, "waits for votes" in late_vote.err) == (2, True)


def test_without_enough_votes_in_time_the_verdict_is_hold(rounds: Rounds, finished: Workspace, tmp_path: Path) -> None:
    voting = moved(finished, tmp_path / "voting")
    assert rounds("round", "--new", "-w", voting.root, *settings(HOLD, PEOPLE)).code == WAITS
    rounds("votes", "pull", "--limit", 3, "--into", tmp_path / "pairs.jsonl", "-w", voting.root)
    rounds("votes", "push", voted(tmp_path / "pairs.jsonl", tmp_path / "votes.jsonl", "ana"), "-w", voting.root)
    late(voting, "votes")
    result = rounds("round", "-w", voting.root)
    assert (result.code, "Round 2: hold" in result.out) == (0, True)
    assert records.metrics(voting, 2)["evaluate/votes"] == 3


def test_an_approval_promotes_and_is_in_the_record_the_summary_and_the_audit_log(
    rounds: Rounds, signing: Workspace
) -> None:
    assert "waits for approval: its candidate" in rounds("status", "-w", signing.root).out
    result = rounds("approve", 2, "--by", "ana", "--why", "read twenty answers", "-w", signing.root)
    assert "Round 2: approved by ana" in result.out
    result = rounds("round", "-w", signing.root)
    assert (result.code, "Round 2: promote" in result.out) == (0, True)
    assert "the candidate was approved by ana: read twenty answers" in result.out
    champion = Registry(signing.root).champion()
    assert champion is not None
    assert champion.round == 2
    events = [(line.event, line.who) for line in audit.read(signing.audit) if line.event != "register"]
    assert events[-2:] == [("approval", "ana"), ("promote", "rounds")]
    assert audit.verify(signing.audit) == []


@cures(
    "tasks.people.pending._ACTIONS: rounds approve {} --by NAME --why REASON",
    "tasks.people.pending._ACTIONS: --refuse",
    "tasks.people.pending.WaitStatus.__str__: rounds round",
    "cli.approve.approve: rounds round",
    "tasks.people.approval._OVERRULE: rounds round",
    "tasks.people.approval._OVERRULE: rounds status",
    "tasks.people.approval._OVERRULE: rounds promote VERSION --reason …",
    "tasks.people.approval.decide: rounds status",
)
def test_what_a_round_that_waits_for_approval_prints_can_be_typed(rounds: Rounds, signing: Workspace) -> None:
    other = rounds("approve", 9, "--by", "ana", "--why", "good", "-w", signing.root)
    shown = rounds(*words(other.err, "rounds status")[1:]).out
    approve = words(shown, "rounds approve", NAME="bo", REASON="too curt")
    refused = rounds(*approve[1:], *words(shown, "--refuse"))
    assert "refused by bo" in refused.out
    late = rounds(*approve[1:])
    assert (late.code, "was refused by bo" in late.err) == (2, True)
    assert words(refused.out, "rounds round") == words(shown, "rounds round") == words(late.err, "rounds round")
    assert rounds(*words(late.err, "rounds round")[1:]).code == 0
    version = records.read(signing, 2).version
    assert version in rounds(*words(late.err, "rounds status")[1:]).out
    promote = words(late.err, "rounds promote", VERSION=version, dots="I read its answers")
    assert rounds(*promote[1:]).code == 0
    assert Registry(signing.root).alias() == version


@cures(
    "tasks.people.polls.poll: -S 'vote.annotator={use: people}'",
    "tasks.people.pending._ACTIONS: rounds votes pull",
    "tasks.people.pending._ACTIONS: rounds votes push FILE",
    "tasks.people.polls._check: rounds votes pull",
    "cli.votes._continued: rounds round",
)
def test_what_a_round_that_waits_for_votes_prints_can_be_typed(
    rounds: Rounds, finished: Workspace, voting: Workspace, tmp_path: Path
) -> None:
    nobody = rounds("votes", "pull", "-w", finished.root)
    override = nobody.err.partition("-S '")[2].partition("'")[0]
    assert rounds("plan", "-S", override, "-w", finished.root).code == 0
    shown, file = rounds("status", "-w", voting.root).out, tmp_path / "pairs.jsonl"
    file.write_text(rounds(*words(shown, "rounds votes pull")[1:]).out)
    foreign = tmp_path / "foreign.jsonl"
    pair = json.loads(file.read_text().splitlines()[0])
    foreign.write_text(json.dumps(vote(pair | {"source_id": "votes-9-00001"}, "ana")) + "\n")
    push = words(shown, "rounds votes push", FILE=str(foreign))
    refused = rounds(*push[1:])
    assert (refused.code, "is not a pair of the waiting round" in refused.err) == (2, True)
    file.write_text(rounds(*words(refused.err, "rounds votes pull")[1:]).out)
    given = voted(file, tmp_path / "votes.jsonl", "ana")
    pushed = rounds(*words(shown, "rounds votes push", FILE=str(given))[1:])
    assert rounds(*words(pushed.out, "rounds round")[1:]).code == WAITS  # for the approval


def test_a_refusal_holds_the_candidate(rounds: Rounds, signing: Workspace) -> None:
    rounds("approve", 2, "--by", "bo", "--why", "too curt", "--refuse", "-w", signing.root)
    again = rounds("approve", 2, "--by", "ana", "--why", "not at all", "-w", signing.root)
    assert (again.code, "was refused by bo: too curt" in again.err) == (2, True)
    assert "Round 2: hold" in rounds("round", "-w", signing.root).out
    registry = Registry(signing.root)
    champion = registry.champion()
    assert champion is not None
    assert (champion.round, registry.versions("policy")[0].tags["verdict"]) == (1, "hold")


def test_without_a_decision_in_time_the_candidate_is_held(rounds: Rounds, signing: Workspace) -> None:
    late(signing, "approval")
    assert "Round 2: hold" in rounds("round", "-w", signing.root).out
    [_, finding] = records.read(signing, 2).verdict.findings
    assert (finding.gate, finding.reason) == ("approval", "nobody decided until 2026-01-01 00:00 UTC")


def test_a_candidate_is_not_promoted_over_a_champion_it_was_not_compared_with(
    rounds: Rounds, signing: Workspace
) -> None:
    """Another user rolled back while the round was waiting."""
    rounds("approve", 2, "--by", "ana", "--why", "good", "-w", signing.root)
    Registry(signing.root).rollback(None, "rude", "bo")
    assert "Round 2: hold" in rounds("round", "-w", signing.root).out
    finding = records.read(signing, 2).verdict.findings[-1]
    assert finding.reason.startswith("policy@champion is 1, expected 2: version 3 was compared with another")


def test_a_reopened_round_asks_again_and_keeps_the_votes(rounds: Rounds, signing: Workspace) -> None:
    """The same inputs give the same answers, so votes on them remain valid."""
    result = rounds("round", "--reopen", "-w", signing.root, *settings(PROMOTE, PEOPLE, SIGNED))
    assert (result.code, "Round 2 waits for approval" in result.out) == (WAITS, True)
    assert read_json(signing.report("evaluate"))["metrics"]["votes"] >= 10
