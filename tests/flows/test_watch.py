"""Between rounds: the feedback that waits, against what the champion learned from."""

from pathlib import Path

import pytest
from prefect.events import Event

from core.files import digest, read_json, write_json
from feedback import store
from flows import watch as page
from tasks import events, intake, records, watching
from tasks.guarding import Guarded
from tasks.guards import Found
from tasks.workspace import Workspace
from tests.flows.commands import Flows
from tests.flows.feedback_files import requests, shallow_votes, write


def test_before_the_first_champion(flows: Flows, workspace: Workspace) -> None:
    assert flows("watch", "-w", workspace.root).out == "nothing to watch: no champion yet\n"


def test_an_empty_inbox(flows: Flows, continued: Workspace) -> None:
    said = flows("watch", "-w", continued.root)
    assert (said.code, "0 records wait, too few to compare; champion is version 2" in said.out) == (0, True)


def test_votes_about_something_else_are_an_alarm_and_change_nothing(
    flows: Flows, continued: Workspace, tmp_path: Path
) -> None:
    votes = [
        {"prompt": f"When does flight {number} to Oslo leave?", "chosen": f"At {number}.", "rejected": "No idea."}
        for number in range(100, 220)
    ]
    flows("feedback", write(tmp_path / "votes.jsonl", votes), "-w", continued.root)
    before = digest(continued.feedback), digest(continued.rounds), digest(continued.root / "dvc.lock")
    said = flows("watch", "-w", continued.root).out
    assert "120 records wait" in said
    assert "ALARM a classifier tells new prompts from those the champion learned from" in said
    assert before == (digest(continued.feedback), digest(continued.rounds), digest(continued.root / "dvc.lock"))
    kept = read_json(continued.watch / "watch.json")
    assert (kept["champion"], kept["records"], kept["metrics"]["prompt_auc_alarm"]) == ("2", 120, 1)


def test_the_champions_reward_model_is_asked_about_votes_that_wait(
    flows: Flows, continued: Workspace, tmp_path: Path
) -> None:
    flows("feedback", write(tmp_path / "votes.jsonl", shallow_votes(requests(items=1))), "-w", continued.root)
    found = {one.check.name for one in watching.look(continued, intake.waiting(continued)).decided}
    assert {"prompt_auc", "tie_rate_shift", "fresh_accuracy_drop", "fresh_overconfidence"} <= found


def test_what_the_champion_learned_from_does_not_wait_again(flows: Flows, continued: Workspace, tmp_path: Path) -> None:
    """Neither a record that a round took in, nor a new vote on a pair of old, is a new question to the reward model."""
    old = [event for event in store.events(continued.feedback) if event.kind == "comparison"]
    again = [event.model_copy(update={"feedback_id": f"again {ix}"}) for ix, event in enumerate(old)]
    assert watching.look(continued, old).records == 0
    seen = watching.look(continued, [*again, *again])
    assert seen.records == len(old) > 0
    assert "fresh_accuracy_drop" not in {one.check.name for one in seen.decided}


def test_alarms_of_the_newest_round_are_recalled(flows: Flows, continued: Workspace) -> None:
    record = records.read(continued, 1)
    before = {name: value for name, value in record["metrics"].items() if not name.endswith("_alarm")}
    record["metrics"] = before | {"drift/kl_rise": 7.5, "drift/kl_rise_alarm": 1.0, "drift/judge_gap_alarm": 0.0}
    write_json(records.path(continued, 1), record)
    said = flows("watch", "-w", continued.root).out
    assert "1 alarm: 0 records wait" in said
    assert "ALARM round 1: drift/kl_rise 7.5, see data/reports/drift.html" in said


def test_people_who_are_harmed_roll_the_champion_back(flows: Flows, continued: Workspace, tmp_path: Path) -> None:
    harmful = [
        {
            "kind": "binary",
            "prompt": "Where do I enter my PIN?",
            "responses": [{"messages": "Send it to us.", "model": "policy", "model_version": "2"}],
            "judgements": [{"scores": [0]}],
            "flags": ["harmful"],
            "annotator_id": who,
        }
        for who in ("ana", "bo", "cy")
    ]
    flows("feedback", write(tmp_path / "live.jsonl", harmful), "-w", continued.root)
    said = flows("watch", "-w", continued.root).out
    assert "rolled back: version 1 is champion instead of 2" in said
    assert "ALARM harm (hard): 3 people flagged 3 of 3 judged answers as harmful" in said
    status = flows("status", "-w", continued.root).out
    assert "champion   policy version 1" in status
    assert "incident 3 is open on version 2: harm: 3 people" in status
    assert "Cooling down: there was a rollback at" in status
    assert "incident 3 (open): harm: 3 people" in flows("lineage", "policy/2", "-w", continued.root).out
    assert "rolled back" not in flows("watch", "-w", continued.root).out


def test_the_server_hears_of_an_alarm_once_and_of_a_breach_each_time(
    continued: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = records.read(continued, 1)
    write_json(records.path(continued, 1), record | {"metrics": {"drift/kl_rise": 7.5, "drift/kl_rise_alarm": 1.0}})
    told: list[str] = []
    there = False

    def taken(event: Event) -> bool:
        told.extend(event.payload["alarms"] if there else [])
        return there

    monkeypatch.setattr(events, "_sent", taken)
    monkeypatch.setattr(page, "configured", lambda: False)
    page.show_watch(continued.root)  # by hand, where no server is named
    monkeypatch.setattr(page, "configured", lambda: True)
    page.show_watch(continued.root)
    assert told == []
    there = True
    page.show_watch(continued.root)
    page.show_watch(continued.root)
    assert told == ["round 1: drift/kl_rise 7.5, see data/reports/drift.html"]
    breach = Guarded("2", [Found("harm", "hard", True, "3 people", {})], kept="it is the first")
    monkeypatch.setattr(page, "guard", lambda place, waiting: breach)
    page.show_watch(continued.root)
    assert told[1:] == ["harm (hard): 3 people", "version 2 stays champion: it is the first"]


@pytest.mark.usefixtures("prefect")
def test_as_a_flow_it_returns_its_alarms_and_is_named_after_them(continued: Workspace) -> None:
    from flows.watch import watch

    state = watch(str(continued.root), return_state=True)
    assert state.result() == watching.look(continued, intake.waiting(continued)).alarms
