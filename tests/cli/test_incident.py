"""`rounds incident`, and the runbook: every command of docs/incidents.md, typed in its order."""

import re
from pathlib import Path

import pytest

from feedback import store
from tasks.registry import audit, incidents
from tasks.state.workspace import Workspace
from tests import pages
from tests.commands import Rounds
from tests.flows.feedback_files import write

RUNBOOK = pages.ROOT / "docs/incidents.md"


def test_an_incident_from_open_to_close(rounds: Rounds, continued: Workspace) -> None:
    options = ("-w", continued.root)
    assert rounds("incident", "list", *options).out.startswith("No incident")
    result = rounds("incident", "open", "--what", "rude on Mondays", "--by", "ana", *options)
    assert (result.code, result.out.startswith("Incident 6 is open")) == (0, True)
    rounds("incident", "note", "6", "refunds [red]only[/red]", "--by", "bo", *options)
    rounds("rollback", "--reason", "rude", *options)
    assert rounds("incident", "close", "6", "rolled back", "--by", "ana", *options).code == 0
    shown = rounds("incident", "show", "6", *options).out
    assert "incident 6 (closed), policy version 2: rude on Mondays" in shown
    expected = [
        "promote: version 1 → 2",
        "opened: rude on Mondays",
        "noted: refunds [red]only[/red]",
        "rollback: version 2 → 1",
    ]
    positions = [shown.index(part) for part in expected]
    assert positions == sorted(positions)
    assert re.search(
        r"6 +2 +\d{4}-\d\d-\d\d \d\d:\d\d UTC +ana +closed +rude on Mondays", rounds("incident", "list", *options).out
    )
    assert "incident" not in rounds("status", *options).out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("note", "7", "hello"), "NoIncident: there is no incident 7"),
        (("open", "--what", "rude", "--version", "9"), "NotFound: policy has no version 9"),
        (("open", "--what", " "), "BadParams: the text of an incident is empty"),
    ],
)
def test_what_does_not_exist(rounds: Rounds, continued: Workspace, words: tuple[str, ...], error: str) -> None:
    result = rounds("incident", *words, "-w", continued.root)
    assert (result.code, error in result.err) == (2, True)


def test_before_the_first_champion(rounds: Rounds, workspace: Workspace) -> None:
    assert "there is no champion yet" in rounds("incident", "open", "--what", "rude", "-w", workspace.root).err


def test_every_command_of_the_runbook(
    rounds: Rounds, continued: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [vote, *_] = [event for event in store.events(continued.feedback) if event.kind == "comparison"]
    taken_back = {"supersedes": vote.feedback_id, "prompt": "Why?", "responses": ["A.", "B."], "kind": "comparison"}
    monkeypatch.chdir(tmp_path)
    write(Path("taken-back.jsonl"), [taken_back | {"judgements": [{"outcome": "skip"}]}])
    typed = [words for words in (pages.after(c, "rounds") for c in pages.commands(RUNBOOK)) if words]
    assert {"status", "watch", "rollback", "incident", "lineage", "cooldown", "promote", "audit"} <= {
        w[0] for w in typed
    }
    for words in typed:
        result = rounds(*words, "-w", continued.root)
        assert result.code == 0, (words, result.err)
    assert [incident.open for incident in incidents.every(continued.audit)] == [False]
    assert audit.verify(continued.audit) == []
