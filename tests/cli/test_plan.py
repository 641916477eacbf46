"""`rounds plan` predicts what the next round does, and writes nothing."""

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


def planned(rounds: Rounds, workspace: Workspace, *overrides: str, words: tuple[str, ...] = ()) -> Any:
    settings = [word for override in overrides for word in ("-S", override)]
    result = rounds("plan", "--json", "-w", workspace.root, *words, *settings)
    assert result.code == 0, result.err
    return json.loads(result.out)


def steps(plan: Any) -> dict[str, str]:
    return {step["step"]: step["does"] for step in plan["steps"]}


def test_with_nothing_new_it_would_answer(rounds: Rounds, finished: Workspace) -> None:
    plan = planned(rounds, finished, *TINY, PROMOTE)
    assert (plan["would"], plan["round"], plan["steps"]) == ("answer", 1, [])
    assert planned(rounds, finished, *TINY, PROMOTE, words=("--new",))["because"] == ["--new was given"]


def test_the_next_round_is_predicted(rounds: Rounds, finished: Workspace, followed: Workspace) -> None:
    before = digest(finished.data), digest(finished.root / "mlflow.db")
    plan = planned(rounds, finished, *TINY, HOLD)
    assert (digest(finished.data), digest(finished.root / "mlflow.db")) == before
    assert (plan["would"], plan["round"], plan["reads"]["champion"]) == ("open", 2, "policy/2")
    assert all(reason.startswith("verdict.gates.") for reason in plan["because"])
    [policy] = [step for step in plan["steps"] if step["step"] == "policy"]
    assert "the champion is policy/2, was policy/1" in policy["because"]
    ran = records.read(followed, 2).times.keys()  # the steps that ran
    predicted = steps(plan)
    assert {step for step, does in predicted.items() if does == "run"} <= ran, plan["steps"]
    assert {step for step, does in predicted.items() if does == "skip"}.isdisjoint(ran)
    assert (predicted["sft"], "sft" in ran) == ("depends", False)


def test_waiting_feedback_and_a_rollback_are_reasons(rounds: Rounds, continued: Workspace) -> None:
    votes = write(continued.root.parent / "votes.jsonl", shallow_votes(requests(items=1)))
    rounds("feedback", "import", votes, "-w", continued.root)
    Registry(continued.root).rollback(None, "rude", "ana")
    plan = planned(rounds, continued, *TINY, PROMOTE)
    assert plan["because"] == ["48 new records wait"]
    assert plan["reads"]["inbox"] == "48 new records in 1 files"
    assert plan["reads"]["champion"] == "policy/1"


def test_an_open_round_would_be_continued_or_refused(rounds: Rounds, finished: Workspace, tmp_path: Path) -> None:
    workspace = moved(finished, tmp_path / "open")
    records.path(workspace, 1).unlink()
    plan = planned(rounds, workspace)
    assert (plan["would"], plan["round"], set(steps(plan).values())) == ("continue", 1, {"skip"}), plan
    (workspace.report("drift")).unlink()
    assert {step for step, does in steps(planned(rounds, workspace)).items() if does != "skip"} == {"drift", "verdict"}
    write_json(workspace.opened, {**read_json(workspace.opened), "code": "0" * 16})
    refused = planned(rounds, workspace)
    assert refused["would"] == "refuse"
    assert "round 1 is open, and was opened by other code" in refused["because"][0]


def test_obstacles_to_opening_a_round_are_reported(rounds: Rounds, finished: Workspace, tmp_path: Path) -> None:
    result = rounds("plan", "-w", finished.root, "-S", "versioning.remote=nowhere")
    assert (result.code, "DVC has no remote 'nowhere'" in result.err) == (2, True)
    workspace = moved(finished, tmp_path / "busy")
    with holding(workspace.lock, "round 2"):
        plan = planned(rounds, workspace)
    assert (plan["would"], plan["round"]) == ("refuse", 2)
    assert plan["because"][0].startswith("round 2 (process ")


def test_memory_and_disk_are_shown_with_the_knobs_that_lower_them(rounds: Rounds, workspace: Workspace) -> None:
    out = rounds("plan", "-w", workspace.root).out
    values = planned(rounds, workspace)["memory"]
    [head] = [line for line in out.splitlines() if line.split()[:2] == ["step", "weights"]]
    assert head.split()[-3:] == ["copy", "total", "disk"]
    [policy] = [step for step in values["steps"] if step["step"] == "policy"]
    [row] = [line for line in out.splitlines() if line.split()[:1] == ["policy"] and "." in line]
    assert row.split()[-3:] == [f"{policy[part] / 1e9:.2f}" for part in ("copy", "total", "disk")]
    assert f"The round writes {values['written'] / 1e9:.2f} GB; its disk has room for" in out
    assert {f"  lower {part}: {knobs}" for part, knobs in values["knobs"].items()} <= set(out.splitlines())


def test_a_new_workspace_would_start_with_round_0(rounds: Rounds, workspace: Workspace) -> None:
    out = rounds("plan", "-w", workspace.root).out
    assert out.startswith("Would open round 0.\n  because no round is finished in this workspace\n")
    assert [line.split()[:2] for line in out.splitlines() if line.split()[1] == "run"] == [
        [step, "run"] for step in ("collect", "ingest", "curate", "sft")
    ]
