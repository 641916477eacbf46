"""Answers of the server that are removed by age or one by one: no byte of them is left in files that are ours."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import NotFound
from feedback.store import answers
from tasks.history import answer_removal
from tasks.state import feedback_database, identity
from tasks.state.workspace import Workspace
from tasks.tools import lines, traces, tracking
from tests.commands import Rounds
from tests.cures import cures, words
from tests.feedback.store.test_answers import answer
from tests.serving.traced import files_with, traced
from tests.teams import Team

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=3)


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    """Two answers with consent and traces: `a` of Ana, three days old, and `b` of Bo."""
    given = [
        answer("a", asked_at=OLD, answered_at=OLD, consent="opt-in"),
        answer("b", asked_at=NOW, answered_at=NOW, consent="opt-in", annotator="shop:bo"),
    ]
    with feedback_database.opened(workspace) as database:
        answers.put(database, given)
    traced(workspace, *given)
    return workspace


def test_a_redacted_answer_is_in_no_file(rounds: Rounds, workspace: Workspace) -> None:
    with pytest.raises(NotFound):
        answer_removal.redact(workspace, "c")
    assert rounds("feedback", "redact", "a", "-w", workspace.root).code == 0
    assert [files_with(workspace, text) for text in ("Here is a.", "Where is a?", "shop:ana")] == [[], [], []]
    assert files_with(workspace, "Here is b.") == ["data/feedback.db", "mlflow.db"]


def test_old_answers_are_in_no_file(rounds: Rounds, workspace: Workspace) -> None:
    command = ("feedback", "expire", "--older-than", 2, "-w", workspace.root)
    assert rounds(*command).out == "1 answer can be removed; use --yes to remove them.\n"
    assert files_with(workspace, "Here is a.") == ["data/feedback.db", "mlflow.db"]
    assert rounds(*command, "--yes").out == "Removed 1 answer.\n"
    assert files_with(workspace, "Here is a.") == []
    assert files_with(workspace, "Here is b.") == ["data/feedback.db", "mlflow.db"]


def test_another_workspace_of_the_line_keeps_its_traces(team: Team) -> None:
    first, second = team("first"), team("second")
    given = answer("a", asked_at=OLD, answered_at=OLD)
    store = tracking.client(first.root)
    line = lines.begin(store, first)
    lines.join(store, second, line)
    for each in (first, second):
        traced(each, given)
    experiment = str(tracking.find_experiment(store, line.answers))
    assert len(store.search_traces(locations=[experiment])) == 2
    assert answer_removal.expire(first, 1, write=True) == 0, "its database has none"
    [left] = store.search_traces(locations=[experiment])
    assert left.info.tags[traces.WORKSPACE] == identity.made(second).id


@cures("tasks.state.asked_files.AskedPrompts.sentence: rounds feedback asked ……")
@pytest.mark.parametrize(
    "command",
    [
        ("feedback", "redact", "a"),
        ("feedback", "expire", "--older-than", 2, "--yes"),
        ("feedback", "forget", "--annotator", "shop:ana", "--purge", "--yes"),
    ],
)
def test_files_with_prompts_are_named_until_they_are_written_again(
    rounds: Rounds, workspace: Workspace, tmp_path: Path, command: tuple[object, ...]
) -> None:
    file, own = tmp_path / "all prompts.jsonl", ("-w", workspace.root)
    assert rounds("feedback", "asked", file, *own).out.startswith("Wrote 2 prompts")
    done = rounds(*command, *own)
    assert (done.code, f"{file} has 1 of the prompts" in done.out) == (0, True), done
    assert "Where is a?" in file.read_text(), "it is the user's"
    assert rounds(*words(done.out, "rounds feedback asked")[1:]).code == 0
    assert ("Where is a?" in file.read_text(), "Where is b?" in file.read_text()) == (False, True)
    again = rounds(*command, *own)
    assert (again.code, "of the prompts" in again.out) == (0, False), again
