"""Whether a nightly round would learn from anything that the last one did not have."""

import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.verdict import Verdict
from tasks.rounds.novelty import nothing_new
from tasks.rounds.request import read_request
from tasks.state import feedback_database, records
from tasks.state import round as rounds
from tasks.state.choosing import at
from tasks.state.workspace import Workspace
from tests.tasks.state.recorded import record

NONE = "no new feedback: no record waits"
PAIR = {"prompt": "Is it open?", "chosen": "Yes, until six.", "rejected": "Why?"}
SKIP = {"prompt": "Far?", "responses": ["A mile.", "No."], "judgements": [{"outcome": "skip"}], "kind": "comparison"}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Round 1 has finished; people judge on the label page, and nothing else is read."""
    monkeypatch.delenv(feedback_database.ADDRESS, raising=False)
    workspace = at(tmp_path / "workspace")
    finished(workspace, 1, "ingest: {sources: [{use: label_page}]}")
    return workspace


def finished(workspace: Workspace, number: int, params: str) -> None:
    """A round with these parameters has finished."""
    workspace.params.write_text(params + "\n")
    request, done = read_request(workspace, ()), record(number, str(number + 1), Verdict())
    opened = {"request": request.fingerprint, "written": request.written, "code": rounds.code_digest()}
    records.write(workspace, done.model_copy(update={"opened": done.opened.model_copy(update=opened)}))


def put(workspace: Workspace, name: str, *given: dict[str, Any]) -> None:
    """A file in the inbox."""
    workspace.inbox.mkdir(parents=True, exist_ok=True)
    (workspace.inbox / name).write_text("".join(json.dumps(each) + "\n" for each in given))


def test_one_usable_record_is_new(workspace: Workspace) -> None:
    assert nothing_new(workspace) == NONE
    put(workspace, "a.jsonl", SKIP)
    assert nothing_new(workspace) == "no new feedback: 1 records wait, and a round can learn from none of them"
    put(workspace, "b.jsonl", PAIR)
    assert nothing_new(workspace) is None


def test_other_knobs_are_no_new_feedback(workspace: Workspace) -> None:
    assert nothing_new(workspace, ["policy.kl.target=6"]) == NONE


@pytest.mark.parametrize(
    ("source", "new"), [("simulated", True), ("label_page", False), ("people", False)], ids=lambda value: str(value)
)
def test_what_a_round_has_judged_is_new_unless_people_judge_it(workspace: Workspace, source: str, new: bool) -> None:
    """The embedded world has a simulated annotator, so it gets its rounds."""
    finished(workspace, 1, f"ingest: {{sources: [{{use: {source}}}]}}")
    assert nothing_new(workspace) == (None if new else NONE)


def test_a_file_that_is_read_in_every_round_is_new_when_it_has_changed(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    file.write_text(json.dumps(PAIR) + "\n")
    finished(workspace, 1, f"ingest: {{sources: [{{use: jsonl, path: {file}}}]}}")
    assert nothing_new(workspace) == NONE
    file.write_text(json.dumps(PAIR) + "\n" + json.dumps(PAIR | {"prompt": "Is it closed?"}) + "\n")
    assert nothing_new(workspace) is None


def test_a_file_that_no_round_has_read_is_new(tmp_path: Path) -> None:
    workspace, file = at(tmp_path / "workspace"), tmp_path / "votes.jsonl"
    file.write_text(json.dumps(PAIR) + "\n")
    workspace.params.write_text(f"ingest: {{sources: [{{use: jsonl, path: {file}}}]}}\n")
    assert nothing_new(workspace) is None
    workspace.params.write_text("ingest: {sources: []}\n")
    assert nothing_new(workspace) == NONE


def test_what_round_0_ingested_is_new_to_round_1(workspace: Workspace) -> None:
    finished(workspace, 0, "ingest: {sources: [{use: label_page}]}")
    assert nothing_new(workspace) == NONE, "round 1 has had it"
    records.path(workspace, 1).unlink()
    assert nothing_new(workspace) is None
