"""Several lines on one server, as their operators see them."""

import json
import os
import shutil
from pathlib import Path

import pytest

from feedback import store
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words
from tests.feedback.examples import vote
from tests.teams import Team, champion, finished_round, settled

# SQLAlchemy 2.1 warns of how MLflow maps its tables
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


def typed(rounds: Rounds, message: str, start: str) -> int:
    """Type the command in a message that begins so; its exit status."""
    [command] = [part for part in message.split("`")[1::2] if part.startswith(start)]
    return int(str(rounds(*command.split()[1:]).code))


@cures("cli.adopt._list: rounds adopt LINE")
def test_lines_are_listed_joined_and_begun(rounds: Rounds, team: Team) -> None:
    first, second = team("first"), team("second")
    assert "no lines yet" in rounds("adopt", "-w", first.root).out
    finished_round(first, 0)
    name = settled(first).name
    listed = rounds("adopt", "-w", second.root)
    assert all(text in listed.out for text in (name, str(first.root))), listed
    assert rounds(*words(listed.out, "rounds adopt", LINE=name)[1:]).code == 0
    assert champion(second.root) == "1"
    assert name in rounds("status", "-w", second.root).out
    assert rounds("adopt", "--new", "-w", second.root).code == 0
    assert champion(second.root) is None


def test_what_cannot_be_adopted_is_refused(rounds: Rounds, team: Team) -> None:
    workspace = team("a")
    assert rounds("adopt", "b", "--new", "-w", workspace.root).code == 2
    assert rounds("adopt", "b", "-w", workspace.root).code == 2
    assert rounds("adopt", "b", "-w", workspace.root.parent / "typo").code == 2


@cures("tasks.registry.adoption._check_server: set MLFLOW_TRACKING_URI")
def test_without_a_server_there_are_no_lines(rounds: Rounds, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, server = team("a"), os.environ["MLFLOW_TRACKING_URI"]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    refused = rounds("adopt", "-w", workspace.root)
    assert (refused.code, "set MLFLOW_TRACKING_URI to" in refused.err) == (2, True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    assert rounds("adopt", "-w", workspace.root).code == 0


@cures(
    "tasks.registry.adoption._check_no_rounds: rounds init FOLDER",
    "tasks.registry.adoption._check_no_rounds: rounds feedback export FILE.jsonl -w …",
    "tasks.registry.adoption._check_no_rounds: rounds feedback import FILE.jsonl -w FOLDER",
)
def test_a_workspace_with_rounds_passes_its_feedback_to_one_that_joins(
    rounds: Rounds, team: Team, tmp_path: Path
) -> None:
    first, second = team("first"), team("second")
    finished_round(first, 0)
    finished_round(second, 0)
    store.append(second.feedback, [vote("desk-1", annotator_id="ana")], 0)
    folder = tmp_path / "third"
    joining = ("adopt", settled(first).name, "-w")
    refused = rounds(*joining, second.root)
    assert refused.code == 2
    places = {"FOLDER": str(folder), "FILE.jsonl": str(tmp_path / "all.jsonl")}
    for begins in ("rounds init", "rounds feedback export", "rounds feedback import"):
        done = rounds(*words(refused.err, begins, **places)[1:])
        assert done.code == 0, done
    assert rounds(*joining, folder).code == 0
    assert champion(folder) == "1"
    [stored] = map(json.loads, (tmp_path / "all.jsonl").read_text().splitlines())
    assert stored["source_id"] == "desk-1"


def test_a_rollback_in_one_line_leaves_the_other(rounds: Rounds, team: Team) -> None:
    first, second, third = team("first"), team("second"), team("third")
    for workspace in (first, second):
        finished_round(workspace, 0)
        finished_round(workspace, 1, expect="1")
    assert rounds("rollback", "--reason", "rude", "-w", third.root).code == 2
    assert (champion(first.root), champion(second.root)) == ("2", "2")
    assert rounds("rollback", "--reason", "rude", "-w", first.root).code == 0
    assert (champion(first.root), champion(second.root)) == ("1", "2")
    refused = rounds("rollback", "--reason", "rude", "--line", settled(first).name, "-w", second.root)
    assert (refused.code, champion(second.root)) == (2, "2")


@cures(
    "tasks.tools.lines._copied: rounds adopt … -w …",
    "tasks.tools.lines._copied: rounds adopt --new -w …",
    "tasks.tools.lines._copied: rounds init FOLDER",
)
def test_both_answers_to_the_question_about_a_copy_work(rounds: Rounds, team: Team) -> None:
    original, template = team("original"), team("template")
    finished_round(original, 0)
    finished_round(original, 1, expect="1")
    settled(template)
    for source in (original, template):
        copy = Workspace(shutil.copytree(source.root, source.root.parent / f"{source.root.name}-copy"))
        refused = rounds("round", "-w", copy.root)
        assert refused.code == 2
        assert str(source.root) in refused.err
        assert f"is a copy of the workspace {source.root}" in rounds("status", "-w", copy.root).out
        planned = rounds("plan", "--json", "-w", copy.root)
        assert (json.loads(planned.out)["would"], str(source.root) in planned.out) == ("refuse", True)
        start = "rounds adopt --new" if source is template else "rounds adopt"
        if source is original:
            new = original.root.parent / "new"
            assert rounds(*words(refused.err, "rounds init", FOLDER=str(new))[1:]).code == 0
            assert settled(Workspace(new)) != settled(original)
        assert rounds(*words(refused.err, start)[1:]).code == 0
        assert (settled(copy) == settled(source)) is (source is original)


def test_records_are_read_without_a_workspace_by_the_name_of_the_line(
    rounds: Rounds, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = team("first"), team("second")
    nowhere = first.root.parent / "nowhere"
    for workspace in (first, second):
        finished_round(workspace, 0)
    finished_round(second, 1, expect="1")
    one, other = settled(first).name, settled(second).name
    command = ("lineage", "policy@champion", "--json", "-w", nowhere)
    refused = rounds(*command)
    assert refused.code == 2
    assert all(text in refused.err for text in (one, other, "--line"))
    assert [row["round"] for row in json.loads(rounds(*command, "--line", other).out)["rounds"]] == [1]
    monkeypatch.setenv("ROUNDS_LINE", one)
    assert [row["round"] for row in json.loads(rounds(*command).out)["rounds"]] == [0]
    assert rounds("evidence", "policy/1", "--into", first.root / "e.zip", "-w", nowhere).code == 0
    diff = rounds("diff", "0", "1", "-w", nowhere, "--line", other)
    assert diff.code == 0, diff
    unknown = rounds("replay", "0", "--into", nowhere / "again", "-w", nowhere, "--line", other[:-1])
    assert (unknown.code, other in unknown.err) == (2, True)
