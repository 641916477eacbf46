"""`rounds feedback show`, `stats` and `export`, and `rounds votes status`."""

import json
import shlex
from pathlib import Path

import pytest

from feedback import store
from tasks.people import polls, waiting
from tasks.people.waiting import VotesNeeded
from tasks.state import records, tombstones
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.feedback.examples import vote
from tests.tasks.people.waiting_round import opened

ANA, BO = vote("desk-1", annotator_id="ana\x1b[2J"), vote("2", annotator_id="bo", kind="ranking")

LINE = vote("a hash").model_copy(update={"feedback_id": "of a line without a source_id"})


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    """A store with two events."""
    store.append(workspace.feedback, [ANA, BO], 0)
    return workspace


def test_an_event_is_shown_whole_with_control_characters_escaped(rounds: Rounds, filled: Workspace) -> None:
    result = rounds("feedback", "show", ANA.feedback_id[:8], "-w", filled.root)
    assert result.code == 0, result.err
    assert "data/feedback/part-00000-0.parquet: ingested by round 0; rounds that learned from it: none" in result.out
    assert '"source_id": "desk-1"' in result.out
    assert "\x1b" not in result.out
    [shown] = json.loads(rounds("feedback", "show", "desk-1", "--json", "-w", filled.root).out)
    assert (shown["record"]["feedback_id"], shown["ingested"]) == (ANA.feedback_id, 0)
    assert rounds("feedback", "show", "--last", 1, "-w", filled.root).out.count('"feedback_id"') == 1


@pytest.mark.parametrize("words", [(), ("desk-1", "--last", "2"), ("nothing-like-it",)])
def test_what_names_no_event_is_refused(rounds: Rounds, filled: Workspace, words: tuple[str, ...]) -> None:
    result = rounds("feedback", "show", *words, "-w", filled.root)
    assert (result.code, result.out) == (2, "")
    assert ("--last N" in result.err) or ("nothing-like-it" in result.err)


def test_feedback_is_counted(rounds: Rounds, filled: Workspace) -> None:
    assert rounds("feedback", "stats", "-w", filled.root).out.startswith("2 events stored, 0 in quarantine, 0 wait")
    counted = json.loads(rounds("feedback", "stats", "--json", "-w", filled.root).out)
    assert (counted["kinds"], counted["waiting"]) == ({"comparison": 1, "ranking": 1}, 0)


def test_what_import_is_told_and_ignores(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    record = {"prompt": "Q?", "chosen": "Yes.", "rejected": "No.", "feedback_id": "mine"}
    file.write_text(json.dumps(record) + "\n")
    assert rounds("feedback", "import", file, "--licence", " ", "-w", workspace.root).code == 2
    said = rounds("feedback", "import", file, "--licence", "MIT", "--consent", "opt-in", "-w", workspace.root).out
    assert "1 record states feedback_id: ignored without --trust." in said
    [event] = json.loads(rounds("feedback", "show", "--last", 1, "--json", "-w", workspace.root).out)
    assert (event["record"]["licence"], event["record"]["consent"]) == ("MIT", "opt-in")
    assert event["record"]["extra"] == {"ignored_fields": {"feedback_id": "mine"}}
    again = rounds("feedback", "import", file, "--trust", "-w", workspace.root)
    assert (again.code, "remove that file" in again.err) == (2, True)


def test_an_export_is_imported_into_another_workspace(rounds: Rounds, filled: Workspace, tmp_path: Path) -> None:
    file, other = tmp_path / "all.parquet", tmp_path / "other"
    store.append(filled.feedback, [LINE], 1)
    exported = rounds("feedback", "export", file, "-w", filled.root).out
    assert "Wrote 3 events" in exported
    [typed] = [line.partition(": ")[2] for line in exported.splitlines() if "--trust" in line]
    rounds("init", other)
    assert "Took in 3 records" in rounds(*shlex.split(typed)[1:], "-w", other).out
    for event in (BO, LINE):
        shown = rounds("feedback", "show", event.feedback_id, "-w", other)
        assert "waits for the next round" in shown.out
    tombstones.add(filled, "bo", "cem", "asked", (0,), ())
    assert "Wrote 0 events" in rounds("feedback", "export", file, "--kind", "ranking", "-w", filled.root).out


def test_the_status_of_the_votes_says_how_many_pairs_are_held(
    rounds: Rounds, workspace: Workspace, tmp_path: Path
) -> None:
    opened(workspace.root)
    assert records.unfinished(workspace)
    waiting.begin(workspace, "votes", 3600, VotesNeeded(votes=2))
    polls.pull(workspace, "ana", 2)
    assert "0 judgements on 3 pairs; 2 pairs are held." in rounds("votes", "status", "-w", workspace.root).out
    result = rounds("votes", "pull", "--annotator", "bo", "--for", "2 hours", "-w", workspace.root)
    assert (result.code, "write it as 30m, 2h or 1d" in result.err) == (2, True)
