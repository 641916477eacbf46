"""`rounds incident`, and the runbook: every command of docs/incidents.md, typed in its order."""

import re
from pathlib import Path

import pytest

from feedback import store
from tasks.registry import audit, incidents
from tasks.state.workspace import Workspace
from tests import pages
from tests.commands import CommandResult, Rounds
from tests.flows.feedback_files import write

RUNBOOK = pages.ROOT / "docs/incidents.md"


def opened(result: CommandResult) -> str:
    """The number of the incident that a command opened: that of its line in the audit log."""
    assert result.code == 0, result.err
    number = re.match(r"Incident (\d+) is open", result.out)
    assert number, result.out
    return number[1]


def test_an_incident_from_open_to_close(rounds: Rounds, continued: Workspace) -> None:
    options = ("-w", continued.root)
    assert rounds("incident", "list", *options).out.startswith("No incident")
    result = rounds("incident", "open", "--what", "rude on Mondays", "--by", "ana", *options)
    number = opened(result)
    rounds("incident", "note", number, "refunds [red]only[/red]", "--by", "bo", *options)
    rounds("rollback", "--reason", "rude", *options)
    assert rounds("incident", "close", number, "rolled back", "--by", "ana", *options).code == 0
    shown = rounds("incident", "show", number, *options).out
    assert f"incident {number} (closed), policy version 2: rude on Mondays" in shown
    expected = [
        "promote: version 1 → 2",
        "opened: rude on Mondays",
        "noted: refunds [red]only[/red]",
        "rollback: version 2 → 1",
    ]
    positions = [shown.index(part) for part in expected]
    assert positions == sorted(positions)
    listed = number + r" +2 +\d{4}-\d\d-\d\d \d\d:\d\d UTC +ana +closed +rude on Mondays"
    assert re.search(listed, rounds("incident", "list", *options).out)
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
    [documented] = {words[2] for words in typed if words[:2] in (["incident", "note"], ["incident", "show"])}
    number = documented
    for words in typed:
        result = rounds(*(number if word == documented else word for word in words), "-w", continued.root)
        assert result.code == 0, (words, result.err)
        number = opened(result) if words[:2] == ["incident", "open"] else number
    assert [incident.open for incident in incidents.every(continued.audit)] == [False]
    assert audit.verify(continued.audit) == []
