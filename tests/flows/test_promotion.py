"""Promotion by hand, and rounds that wait after a rollback."""

from pathlib import Path

import pytest

from feedback import store
from flows import rollback as deployed
from tasks.registry import audit
from tasks.registry.alias import Registry
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.flows.feedback_files import write
from tests.profile import PROMOTE, TINY
from tests.workspaces import run_round

pytestmark = pytest.mark.rounds


def champion(workspace: Workspace) -> str | None:
    return Registry(workspace.root).alias()


def test_a_held_candidate_is_promoted_by_hand(rounds: Rounds, continued: Workspace) -> None:
    rounds("rollback", "--reason", "rude", "-w", continued.root)
    refused = rounds("promote", "2", "--reason", "it was not", "-w", continued.root)
    assert (refused.code, refused.err.startswith("RolledBack: ") and "rude" in refused.err) == (2, True)
    result = rounds("promote", "2", "--force", "--reason", "it was not", "-w", continued.root)
    assert (result.code, "version 2" in result.out) == (0, True)
    last = audit.read(continued.audit)[-1]
    assert (last.event, last.facts["left"], last.facts["now"], last.facts["reason"]) == (
        "force",
        "1",
        "2",
        "it was not",
    )
    entries = len(audit.read(continued.audit))
    assert rounds("promote", "2", "--reason", "again", "-w", continued.root).code == 0
    assert len(audit.read(continued.audit)) == entries


def test_what_the_gates_rejected_takes_force(rounds: Rounds, continued: Workspace) -> None:
    registry = Registry(continued.root)
    registry.rollback(None, "rude", "ana")
    registry.store.delete_model_version_tag("policy", "2", "rolled_back")
    registry.mark(registry.version("2"), {"verdict": "reject"})
    result = rounds("promote", "2", "--reason", "I like it", "-w", continued.root)
    assert (result.code, "Rejected: policy version 2 was rejected by the gates of round 1" in result.err) == (2, True)
    assert rounds("promote", "2", "--force", "--reason", "I like it", "-w", continued.root).code == 0
    assert registry.version("2").tags["forced"] == "I like it"


def test_a_cooldown_is_shown_and_lifted(rounds: Rounds, continued: Workspace) -> None:
    assert "No cooldown" in rounds("cooldown", "-w", continued.root).out
    rounds("rollback", "--reason", "rude", "-w", continued.root)
    assert "no round promotes before" in rounds("cooldown", "-w", continued.root).out
    assert rounds("cooldown", "--lift", "-w", continued.root).code == 2
    lifted = rounds("cooldown", "--lift", "--reason", "the votes were taken back", "-w", continued.root)
    assert lifted.code == 0
    assert audit.read(continued.audit)[-1].event == "lift"
    assert "There was no cooldown." in rounds("cooldown", "--lift", "--reason", "so", "-w", continued.root).out


def test_a_deployed_rollback_tells_the_server_of_a_move_and_of_nothing_else(
    continued: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[object, ...]] = []
    monkeypatch.setattr(deployed, "configured", lambda: True)
    monkeypatch.setattr(deployed, "send_rollback", lambda *facts: told.append(facts))
    assert deployed.rollback.fn("rude", to="2", workspace=str(continued.root)) == "2"
    assert told == []
    assert deployed.rollback.fn("rude", workspace=str(continued.root)) == "1"
    assert told == [(continued, "2", "1", "rude")]


def test_a_round_within_a_cooldown_holds_and_notes_what_was_taken_back(
    rounds: Rounds, continued: Workspace, tmp_path: Path
) -> None:
    rounds("rollback", "--reason", "rude", "-w", continued.root)
    [wrong, *_] = [event for event in store.events(continued.feedback) if event.kind == "comparison"]
    back = {
        "kind": "comparison",
        "source": "review-desk",
        "source_id": "1",
        "supersedes": wrong.feedback_id,
        "prompt": wrong.prompt[-1].content,
        "responses": [response.text for response in wrong.responses],
        "judgements": [{"outcome": "skip"}],
    }
    rounds("feedback", "import", write(tmp_path / "back.jsonl", [back]), "-w", continued.root)
    record = run_round(continued, [*TINY, PROMOTE])
    last = record.verdict.findings[-1]
    assert (record.verdict.result, last.gate, last.result) == ("hold", "promotion", "hold")
    assert "no round promotes before" in last.reason
    held = Registry(continued.root).version(record.version)
    assert (held.tags["verdict"], champion(continued)) == ("hold", "1")
    [line] = [line for line in audit.read(continued.audit) if line.event == "withdrawal"]
    assert line.facts == {
        "round": 2,
        "batch": line.facts["batch"],
        "taken_back": 1,
        "corrected": 0,
        "annotators": {"simulated": 1},
    }
    assert rounds("promote", held.version, "--reason", "the feedback is clean now", "-w", continued.root).code == 0
    assert champion(continued) == held.version
    assert audit.verify(continued.audit) == []
