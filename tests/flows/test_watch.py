"""Between rounds: the feedback that waits, against what the champion learned from."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
import yaml

from core.files import digest, read_json, write_json
from evaluation.guards import GuardFinding
from feedback import canonical, store
from tasks.registry import audit
from tasks.state import intake, records
from tasks.state.workspace import Workspace
from tasks.tools import events
from tasks.tools.receiving import receive
from tasks.watch import drift, guards, watch
from tasks.watch.guards import GuardReport
from tests.commands import Rounds
from tests.flows.feedback_files import imported, requests, shallow_votes, write


def test_before_the_first_champion(rounds: Rounds, workspace: Workspace) -> None:
    assert rounds("watch", "-w", workspace.root).out == "nothing to watch: no champion yet\n"


def test_an_empty_inbox(rounds: Rounds, continued: Workspace) -> None:
    said = rounds("watch", "-w", continued.root)
    assert (said.code, "0 records wait, too few to compare; champion is version 2" in said.out) == (0, True)


def flights(count: int) -> list[dict[str, Any]]:
    """Votes about something that the champion has not heard of."""
    return [
        {"prompt": f"When does flight {number} to Oslo leave?", "chosen": f"At {number}.", "rejected": "No idea."}
        for number in range(100, 100 + count)
    ]


def test_votes_about_something_else_are_an_alarm_and_change_nothing(
    rounds: Rounds, continued: Workspace, tmp_path: Path
) -> None:
    rounds("feedback", "import", write(tmp_path / "votes.jsonl", flights(120)), "-w", continued.root)
    before = digest(continued.feedback), digest(continued.rounds), digest(continued.root / "dvc.lock")
    said = rounds("watch", "-w", continued.root).out
    assert "120 records wait" in said
    assert "ALARM a classifier tells new prompts from those the champion learned from" in said
    assert before == (digest(continued.feedback), digest(continued.rounds), digest(continued.root / "dvc.lock"))
    kept = read_json(continued.watch / "watch.json")
    assert (kept["champion"], kept["records"], kept["metrics"]["prompt_auc_alarm"]) == ("2", 120, 1)


def test_the_champions_reward_model_is_asked_about_votes_that_wait(
    rounds: Rounds, continued: Workspace, tmp_path: Path
) -> None:
    rounds(
        "feedback", "import", write(tmp_path / "votes.jsonl", shallow_votes(requests(items=1))), "-w", continued.root
    )
    found = {one.check.name for one in drift.check_drift(continued, intake.inbox_events(continued)).decided}
    assert {"prompt_auc", "tie_rate_shift", "fresh_accuracy_drop", "fresh_overconfidence"} <= found


def test_what_the_champion_learned_from_does_not_wait_again(
    rounds: Rounds, continued: Workspace, tmp_path: Path
) -> None:
    """Neither a record that a round took in, nor a new vote on a pair of old, is a new question to the reward model."""
    old = [event for event in store.events(continued.feedback) if event.kind == "comparison"]
    again = [event.model_copy(update={"feedback_id": f"again {ix}"}) for ix, event in enumerate(old)]
    assert drift.check_drift(continued, old).records == 0
    seen = drift.check_drift(continued, [*again, *again])
    assert seen.records == len(old) > 0
    assert "fresh_accuracy_drop" not in {one.check.name for one in seen.decided}


def test_alarms_of_the_newest_round_are_recalled(rounds: Rounds, continued: Workspace) -> None:
    record = records.read(continued, 1)
    before = {name: value for name, value in record.metrics.items() if not name.endswith("_alarm")}
    after = before | {"drift/kl_rise": 7.5, "drift/kl_rise_alarm": 1.0, "drift/judge_gap_alarm": 0.0}
    records.write(continued, record.model_copy(update={"metrics": after}))
    said = rounds("watch", "-w", continued.root).out
    assert "1 alarm: 0 records wait" in said
    assert "ALARM round 1: drift/kl_rise 7.5, see data/reports/drift.html" in said


def thumbs_down(people: int, flags: Sequence[str]) -> list[dict[str, Any]]:
    """As many people who do not like an answer of version 2."""
    return [
        {
            "kind": "binary",
            "prompt": "Where do I enter my PIN?",
            "responses": [{"messages": "Send it to us.", "model": "policy", "model_version": "2"}],
            "judgements": [{"scores": [0]}],
            "flags": list(flags),
            "annotator_id": f"person {number}",
        }
        for number in range(people)
    ]


def test_live_feedback_in_the_database_is_guarded_before_a_round_ingests_it(
    rounds: Rounds, continued: Workspace
) -> None:
    records_ = thumbs_down(3, ["harmful"])
    for ix, record in enumerate(records_):
        arrived = canonical.event(record, {"source": "chat", "source_id": str(ix)})
        assert receive(continued, [arrived], f"visitor {ix}", attributed=True).new == 1
    said = rounds("watch", "-w", continued.root).out
    assert "rolled back: version 1 is champion instead of 2" in said
    assert "ALARM harm (hard): 3 people flagged 3 of 3 judged answers as harmful" in said


def test_people_who_are_harmed_roll_the_champion_back(rounds: Rounds, continued: Workspace, tmp_path: Path) -> None:
    rounds("feedback", "import", write(tmp_path / "live.jsonl", thumbs_down(3, ["harmful"])), "-w", continued.root)
    said = rounds("watch", "-w", continued.root).out
    assert "rolled back: version 1 is champion instead of 2" in said
    assert "ALARM harm (hard): 3 people flagged 3 of 3 judged answers as harmful" in said
    status = rounds("status", "-w", continued.root).out
    assert "champion   policy version 1" in status
    assert re.search(r"incident \d+ is open for version 2: harm: 3 people", status)
    assert "Cooling down: there was a rollback at" in status
    assert "(open): harm: 3 people" in rounds("lineage", "policy/2", "-w", continued.root).out
    assert "rolled back" not in rounds("watch", "-w", continued.root).out


def test_the_server_hears_of_an_alarm_once_and_of_a_breach_each_time(
    continued: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = records.read(continued, 1)
    alarming = {"drift/kl_rise": 7.5, "drift/kl_rise_alarm": 1.0}
    records.write(continued, record.model_copy(update={"metrics": alarming}))
    told: list[str] = []
    there = False

    def taken(name: str, resource: Mapping[str, str], payload: Mapping[str, Any]) -> bool:
        told.extend(payload["alarms"] if there else [])
        return there

    monkeypatch.setattr(events, "_send", taken)
    monkeypatch.setattr(watch, "configured", lambda: False)
    watch.watch(continued)  # by hand, where no server is named
    monkeypatch.setattr(watch, "configured", lambda: True)
    watch.watch(continued)
    assert told == []
    there = True
    watch.watch(continued)
    watch.watch(continued)
    assert told == ["round 1: drift/kl_rise 7.5, see data/reports/drift.html"]
    breach = GuardReport("2", [GuardFinding("harm", "hard", True, "3 people", {})], kept="it is the first")
    monkeypatch.setattr(watch, "guard", lambda workspace, waiting: breach)
    watch.watch(continued)
    assert told[1:] == ["harm (hard): 3 people", "version 2 stays champion: it is the first"]


class Event(NamedTuple):
    """What a server was sent."""

    event: str
    payload: Mapping[str, Any]
    id: UUID | None


class Server:
    """A Prefect server that may be away."""

    def __init__(self, there: bool = False) -> None:
        self.there = there
        self.took: list[Event] = []

    def __call__(
        self, name: str, resource: Mapping[str, str], payload: Mapping[str, Any], identity: UUID | None = None
    ) -> bool:
        self.took += [Event(name, payload, identity)] if self.there else []
        return self.there


def test_an_alarm_is_one_event_while_the_inbox_grows(continued: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each record changes the numbers in the sentence."""
    server = Server(there=True)
    monkeypatch.setattr(events, "_send", server)
    continued.inbox.mkdir(exist_ok=True)
    said = []
    for more in ([], shallow_votes(requests(items=1))):
        write(continued.inbox / "votes.jsonl", [*flights(120), *more])
        seen = drift.check_drift(continued, intake.inbox_events(continued))
        said.append(seen.named["version 2: prompt_auc"])
        assert events.send_drift_alarms(continued, seen.named)
    assert said[0] != said[1]
    assert sum(alarm in said for event in server.took for alarm in event.payload["alarms"]) == 1


def test_an_alarm_of_the_next_round_is_another_one(continued: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(there=True)
    monkeypatch.setattr(events, "_send", server)
    for number, said in ((1, "7.5"), (1, "8"), (2, "8")):
        events.send_drift_alarms(continued, {f"round {number}: drift/kl_rise": said})
    assert [event.payload["alarms"] for event in server.took] == [["7.5"], ["8"]]


@pytest.mark.parametrize(("people", "flags", "guarded"), [(3, ["harmful"], "harm: 3"), (100, [], "liking: ")])
def test_a_rollback_by_itself_is_audited_and_one_event_whenever_the_server_is_there(
    continued: Workspace, monkeypatch: pytest.MonkeyPatch, people: int, flags: Sequence[str], guarded: str
) -> None:
    """A hard breach, and a soft one; the look that rolled back was killed before it could say so."""
    params = yaml.safe_load(continued.params.read_text(encoding="utf-8")) or {}
    params["watch"] = {"guards": {"liking": {"floor": 0.9}}}
    write_json(continued.params, params)
    imported(continued, "live.jsonl", thumbs_down(people, flags))
    assert guards.guard(continued, intake.inbox_events(continued)).now == "1"
    line = next(line for line in audit.read(continued.audit) if line.event == "rollback")
    assert (line.who, line.facts["left"], line.facts["now"]) == ("watch", "2", "1")
    server = Server()
    monkeypatch.setattr(events, "_send", server)
    monkeypatch.setattr(watch, "configured", lambda: True)
    watch.watch(continued)
    assert server.took == []
    server.there = True
    watch.watch(continued)
    watch.watch(continued)
    [event] = server.took
    assert (event.event, event.payload["left"], event.payload["now"]) == ("champion.rolled_back", "2", "1")
    assert event.payload["reason"] == line.facts["reason"]
    assert line.facts["reason"].startswith(guarded)
    (continued.watch / "rollbacks.json").unlink()  # killed before it was noted
    watch.watch(continued)
    assert {told.id for told in server.took} == {event.id}


@pytest.mark.usefixtures("prefect")
def test_as_a_flow_it_returns_its_alarms_and_is_named_after_them(continued: Workspace) -> None:
    from flows.watch import watch

    state = watch(str(continued.root), return_state=True)
    assert state.result() == drift.check_drift(continued, intake.inbox_events(continued)).alarms
