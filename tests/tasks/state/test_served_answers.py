"""Answers of the server, as commands see them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadFeedback, NotFound
from feedback.sources.asked import Asked
from feedback.store import answers
from tasks.state import asked_files, feedback_database, served_answers, tombstones
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words
from tests.feedback.store.test_answers import answer

NOW = datetime.now(UTC)


def put(workspace: Workspace, *given: Any) -> None:
    with feedback_database.opened(workspace) as database:
        answers.put(database, given)


def known(workspace: Workspace, *names: str) -> set[str]:
    with feedback_database.opened(workspace) as database:
        return set(answers.find(database, names))


def test_old_answers_are_counted_and_removed(rounds: Rounds, workspace: Workspace) -> None:
    assert served_answers.expire(workspace, NOW, write=True) == 0
    put(workspace, answer("old", answered_at=NOW - timedelta(days=3)), answer("new", answered_at=NOW))
    command = ("feedback", "expire", "--older-than", 2, "-w", workspace.root)
    assert rounds(*command).out == "1 answer can be removed; use --yes to remove them.\n"
    assert known(workspace, "old", "new") == {"old", "new"}
    assert rounds(*command, "--yes").out == "Removed 1 answer.\n"
    assert known(workspace, "old", "new") == {"new"}


def test_one_answer_is_redacted(rounds: Rounds, workspace: Workspace) -> None:
    with pytest.raises(NotFound, match="no answer 'a' is stored"):
        served_answers.redact(workspace, "a")
    put(workspace, answer("a", text="Her number is 4711."))
    assert rounds("feedback", "redact", "a", "-w", workspace.root).code == 0
    assert b"4711" not in workspace.feedback_database.read_bytes()
    again = rounds("feedback", "redact", "b", "-w", workspace.root)
    assert (again.code, "use the `response_id` that the server gave" in again.err) == (2, True)


@cures("feedback.sources.asked.Asked._prompt: rounds feedback asked FILE")
def test_prompts_with_consent_are_written_for_collect(rounds: Rounds, workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "asked.jsonl"
    file.write_text("damaged\n")
    source = Asked(path=file)
    with pytest.raises(BadFeedback) as refused:
        source.check()
    given = {"consent": "opt-in", "answered_at": NOW}
    put(
        workspace,
        answer("a", **given),
        answer("again", **given, prompt=answer("a").prompt),
        answer("b", answered_at=NOW),
        answer("c", **given, annotator="shop:bo"),
    )
    tombstones.add(workspace, "shop:bo", "tests", "asked", (), ())
    typed = words(str(refused.value), "rounds feedback asked", FILE=str(file))
    assert rounds(*typed[1:], "-w", workspace.root).out.startswith("Wrote 1 prompt to ")
    [prompt] = source.prompts(5, 0)
    assert [(turn.role, turn.content) for turn in prompt] == [("user", "Where is a?")]


def test_a_round_gets_the_prompts_that_may_be_used_now(workspace: Workspace) -> None:
    assert served_answers.prompts(workspace, ["opt-in"]) == []
    given = {"consent": "opt-in", "answered_at": NOW}
    old = NOW - timedelta(days=3)
    put(
        workspace,
        *(answer(name, **given) for name in ("a", "redacted")),
        answer("refused", answered_at=NOW),
        answer("expired", consent="opt-in", answered_at=old),
        answer("forgotten", **given, annotator="shop:bo"),
    )
    assert len(served_answers.prompts(workspace, ["opt-in"])) == 4
    served_answers.redact(workspace, "redacted")
    served_answers.expire(workspace, NOW - timedelta(days=2), write=True)
    tombstones.add(workspace, "shop:bo", "tests", "asked", (), ())
    [prompt] = served_answers.prompts(workspace, ["opt-in"])
    assert [turn.content for turn in prompt] == ["Where is a?"]
    assert asked_files.read(workspace) == ()
    assert asked_files.written(workspace).keys() == {"a", "redacted", "expired", "forgotten"}, "rounds may have them"


def test_a_purge_removes_the_answers_to_a_person(rounds: Rounds, workspace: Workspace) -> None:
    put(workspace, answer("a"), answer("b", annotator="shop:bo"))
    command = ("feedback", "forget", "--annotator", "shop:ana", "--purge", "-w", workspace.root)
    looked = rounds(*command)
    assert "1 answers of the server in the feedback database" in " ".join(looked.out.split())
    assert rounds(*command, "--yes").code == 0
    assert known(workspace, "a", "b") == {"b"}
