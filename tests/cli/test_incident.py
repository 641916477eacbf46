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


def test_an_incident_from_its_opening_to_its_end(rounds: Rounds, continued: Workspace) -> None:
    place = ("-w", continued.root)
    assert rounds("incident", "list", *place).out == "No incident so far.\n"
    said = rounds("incident", "open", "--what", "rude on Mondays", "--by", "ana", *place)
    assert (said.code, said.out) == (0, "Incident 3 is open, about policy version 2.\n")
    rounds("incident", "note", "3", "refunds [red]only[/red]", "--by", "bo", *place)
    rounds("rollback", "--reason", "rude", *place)
    assert rounds("incident", "close", "3", "rolled back", "--by", "ana", *place).out == "Incident 3 is closed.\n"
    shown = rounds("incident", "show", "3", *place).out
    assert "incident 3 (closed), policy version 2: rude on Mondays" in shown
    told = [
        "promote: version 1 → 2",
        "opened: rude on Mondays",
        "noted: refunds [red]only[/red]",
        "rollback: version 2 → 1",
    ]
    where = [shown.index(part) for part in told]
    assert where == sorted(where)
    assert re.search(
        r"3 +2 +\d{4}-\d\d-\d\d \d\d:\d\d UTC +ana +closed +rude on Mondays", rounds("incident", "list", *place).out
    )
    assert "incident" not in rounds("status", *place).out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("note", "7", "hello"), "NoIncident: there is no incident 7"),
        (("open", "--what", "rude", "--version", "9"), "BadModel: policy has no version 9"),
        (("open", "--what", " "), "BadParams: the text of an incident is empty"),
    ],
)
def test_what_does_not_exist(rounds: Rounds, continued: Workspace, words: tuple[str, ...], error: str) -> None:
    said = rounds("incident", *words, "-w", continued.root)
    assert (said.code, error in said.err) == (2, True)


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
        said = rounds(*words, "-w", continued.root)
        assert said.code == 0, (words, said.err)
    assert [incident.open for incident in incidents.every(continued.audit)] == [False]
    assert audit.verify(continued.audit) == []
