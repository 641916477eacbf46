"""`rounds plan`: it foretells what the next round does, and touches nothing."""

import json
from pathlib import Path
from typing import Any

from core.files import digest, read_json, write_json
from tasks.registry.alias import Registry
from tasks.state import records
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.flows.feedback_files import requests, shallow_votes, write
from tests.profile import HOLD, PROMOTE, TINY
from tests.workspaces import moved


def planned(rounds: Rounds, place: Workspace, *overrides: str, words: tuple[str, ...] = ()) -> Any:
    settings = [word for override in overrides for word in ("-S", override)]
    said = rounds("plan", "--json", "-w", place.root, *words, *settings)
    assert said.code == 0, said.err
    return json.loads(said.out)


def steps(found: Any) -> dict[str, str]:
    return {step["step"]: step["does"] for step in found["steps"]}


def test_with_nothing_new_it_would_answer(rounds: Rounds, finished: Workspace) -> None:
    found = planned(rounds, finished, *TINY, PROMOTE)
    assert (found["would"], found["round"], found["steps"]) == ("answer", 1, [])
    assert planned(rounds, finished, *TINY, PROMOTE, words=("--new",))["because"] == ["--new was given"]


def test_the_next_round_is_foretold(rounds: Rounds, finished: Workspace, followed: Workspace) -> None:
    before = digest(finished.data), digest(finished.root / "mlflow.db")
    found = planned(rounds, finished, *TINY, HOLD)
    assert (digest(finished.data), digest(finished.root / "mlflow.db")) == before
    assert (found["would"], found["round"], found["reads"]["champion"]) == ("open", 2, "policy/2")
    assert all(reason.startswith("verdict.gates.") for reason in found["because"])
    [policy] = [step for step in found["steps"] if step["step"] == "policy"]
    assert "the champion is policy/2, was policy/1" in policy["because"]
    ran = records.read(followed, 2).times.keys()  # what became of it
    foretold = steps(found)
    assert {step for step, does in foretold.items() if does == "run"} <= ran
    assert {step for step, does in foretold.items() if does == "skip"}.isdisjoint(ran)
    assert (foretold["sft"], "sft" in ran) == ("depends", False)


def test_waiting_feedback_and_a_rollback_are_reasons(rounds: Rounds, continued: Workspace) -> None:
    votes = write(continued.root.parent / "votes.jsonl", shallow_votes(requests(items=1)))
    rounds("feedback", votes, "-w", continued.root)
    Registry(continued.root).rollback(None, "rude", "ana")
    found = planned(rounds, continued, *TINY, PROMOTE)
    assert found["because"] == ["48 new records are in the inbox"]
    assert found["reads"]["inbox"] == "48 new records in 1 files"
    assert found["reads"]["champion"] == "policy/1"


def test_an_open_round_would_be_continued_or_refused(rounds: Rounds, finished: Workspace, tmp_path: Path) -> None:
    place = moved(finished, tmp_path / "open")
    records.path(place, 1).unlink()
    found = planned(rounds, place)
    assert (found["would"], found["round"], set(steps(found).values())) == ("continue", 1, {"skip"})
    (place.report("drift")).unlink()
    assert {step for step, does in steps(planned(rounds, place)).items() if does != "skip"} == {"drift", "verdict"}
    write_json(place.opened, {**read_json(place.opened), "code": "0" * 16})
    refused = planned(rounds, place)
    assert refused["would"] == "refuse"
    assert "round 1 is open, and was opened by other code" in refused["because"][0]


def test_what_would_keep_a_round_from_opening_is_said(rounds: Rounds, finished: Workspace, tmp_path: Path) -> None:
    said = rounds("plan", "-w", finished.root, "-S", "versioning.remote=nowhere")
    assert (said.code, "`dvc remote add nowhere URL`" in said.err) == (2, True)
    place = moved(finished, tmp_path / "busy")
    with holding(place.lock, "round 2"):
        found = planned(rounds, place)
    assert (found["would"], found["round"]) == ("refuse", 2)
    assert found["because"][0].startswith("round 2 (process ")


def test_a_new_workspace_would_start_with_round_0(rounds: Rounds, workspace: Workspace) -> None:
    out = rounds("plan", "-w", workspace.root).out
    assert out.startswith("Would open round 0.\n  because no round is finished in this workspace\n")
    assert [line.split()[:2] for line in out.splitlines() if line.split()[1] == "run"] == [
        [step, "run"] for step in ("collect", "ingest", "curate", "sft")
    ]
