"""What rounds collected of prompts, once the answers are removed: pairs, cached pairs, and items to be labelled."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from feedback import pairs, store
from feedback.sources import AnswerPair
from feedback.store import answers
from tasks.history import answer_removal, collected_prompts
from tasks.people import label_filling
from tasks.state import asked_files, feedback_database, served_answers
from tasks.state.lock import holding
from tasks.state.workspace import Workspace
from tests.commands import Rounds
from tests.cures import cures, words
from tests.feedback.examples import chat, vote
from tests.feedback.store.test_answers import answer
from tests.serving.traced import files_with
from tests.tasks.people.waiting_round import pair

OLD = datetime.now(UTC) - timedelta(days=3)
ANAS, BOS, THEIRS = "Where is the parcel of Ana?", "Where is the parcel of Bo?", "Do you open on Sunday?"
CHAMPIONS = "The parcel of Ana is in Rose Lane 7."
"""What the champion answered to Ana's prompt in a round."""


def collected(number: int, prompt: str, *texts: str) -> AnswerPair:
    """A pair as `collect` writes it."""
    return pair(number, *texts)._replace(pair_id=f"{pairs.COLLECTED}1-{number:05d}", prompt=chat(prompt))


@pytest.fixture
def workspace(workspace: Workspace, tmp_path: Path) -> Workspace:
    """Round 1 collected the prompts of Ana and Bo, and one that both asked; its pairs are cached and to be labelled."""
    asked = {"a": ("ana", ANAS), "b": ("bo", BOS), "c": ("ana", THEIRS), "d": ("bo", THEIRS)}
    given = [
        answer(name, annotator=f"shop:{person}", prompt=chat(text), consent="opt-in", asked_at=OLD, answered_at=OLD)
        for name, (person, text) in asked.items()
    ]
    with feedback_database.opened(workspace) as database:
        answers.put(database, given)
    assert served_answers.write_prompts(workspace, tmp_path / "asked.jsonl", ["opt-in"]) == 3
    made = [collected(0, ANAS, CHAMPIONS, "Soon."), collected(1, BOS, "Here.", "Soon."), collected(2, THEIRS, "Y", "N")]
    pairs.write(workspace.answers, made)
    for name, content in (("a" * 32, made), ("b" * 32, made[1:])):
        pairs.write(workspace.root / ".dvc/cache/files/md5" / name[:2] / name[2:], content)
    label_filling.add(workspace, "main", label_filling.collected(workspace, "comparison"), 1)
    return workspace


def left(workspace: Workspace) -> tuple[int, int, int]:
    """Collected pairs, objects of the cache, labelling items."""
    cached = list(workspace.root.glob(".dvc/cache/files/md5/??/*"))
    [queue] = label_filling.queues(workspace)
    return len(pairs.read(workspace.answers)), len(cached), queue.items


def test_a_redacted_prompt_is_removed_from_what_rounds_collected(rounds: Rounds, workspace: Workspace) -> None:
    assert len(files_with(workspace, ANAS)) == 3
    done = rounds("feedback", "redact", "a", "-w", workspace.root)
    assert "Removed with the prompts: 1 collected pairs, 1 objects of the DVC cache, 1 labelling items." in done.out
    assert (files_with(workspace, ANAS), files_with(workspace, CHAMPIONS)) == ([], [])
    assert left(workspace) == (2, 1, 2)
    assert "Removed with" not in rounds("feedback", "redact", "c", "-w", workspace.root).out, "Bo asked it too"
    assert left(workspace) == (2, 1, 2)


def test_feedback_on_a_collected_prompt_keeps_its_copy(rounds: Rounds, workspace: Workspace) -> None:
    store.append(workspace.feedback, [vote("1", annotator_id="cem", question=ANAS)], 0)
    assert rounds("feedback", "redact", "a", "-w", workspace.root).code == 0
    assert left(workspace) == (2, 1, 2)
    assert [event.prompt[0].content for event in store.events(workspace.feedback)] == [ANAS]


@cures("tasks.history.collected_prompts._LATER: rounds gc --yes")
def test_what_a_round_holds_is_removed_by_garbage_collection(rounds: Rounds, workspace: Workspace) -> None:
    with holding(workspace.lock, "a round"):
        done = rounds("feedback", "expire", "--older-than", 1, "--yes", "-w", workspace.root)
    assert done.out.startswith("Removed 4 answers.\nrounds collected some of the prompts"), done.out
    assert left(workspace) == (3, 2, 3)
    listed = rounds("gc", "-w", workspace.root).out
    assert "Collected of prompts that are gone: 3 collected pairs, 2 objects of the DVC cache, 3 labelling" in listed
    assert "use --yes to remove them" in listed
    assert left(workspace) == (3, 2, 3), "they were only listed"
    swept = rounds(*words(done.out, "rounds gc --yes")[1:])
    assert "Removed with the prompts: 3 collected pairs, 2 objects" in swept.out, swept
    assert left_texts(workspace) == []
    assert "Collected of prompts" not in rounds("gc", "-w", workspace.root).out


def left_texts(workspace: Workspace) -> list[str]:
    return [file for text in (ANAS, BOS, THEIRS, CHAMPIONS) for file in files_with(workspace, text)]


def test_a_purge_finds_them_also_after_the_answers_have_expired(rounds: Rounds, workspace: Workspace) -> None:
    with feedback_database.opened(workspace) as database:  # as the server removes them by itself
        assert answers.expire(database, datetime.now(UTC), write=True) == 4
        database.compact()
    command = ("feedback", "forget", "--annotator", "shop:ana", "--purge", "-w", workspace.root)
    assert "1 collected answers to their prompts" in " ".join(rounds(*command).out.split())
    assert rounds(*command, "--yes").code == 0
    assert (files_with(workspace, ANAS), files_with(workspace, CHAMPIONS)) == ([], [])
    assert left(workspace) == (2, 1, 2), "Bo asked the third too"


def test_the_digests_are_kept_until_no_file_has_the_prompts(workspace: Workspace, tmp_path: Path) -> None:
    answer_removal.redact(workspace, "a")
    assert collected_prompts.remove(workspace)[:3] == (1, 1, 1)
    assert "a" in asked_files.written(workspace), "the next round would collect it again"
    served_answers.write_prompts(workspace, tmp_path / "asked.jsonl", ["opt-in"])
    assert collected_prompts.remove(workspace) == collected_prompts.RemovedPrompts()
    assert asked_files.written(workspace).keys() == {"b", "c", "d"}


def test_a_shared_cache_is_named_and_the_rest_is_removed(workspace: Workspace) -> None:
    with (workspace.root / ".dvc/config").open("a") as config:
        config.write(f"[cache]\n    dir = {workspace.root.parent / 'shared'}\n")
    answer_removal.redact(workspace, "a")
    removed = collected_prompts.remove(workspace)
    assert (removed[:3], "outside the workspace" in str(removed.problem)) == ((1, 0, 1), True)


def test_a_purged_pair_is_not_offered_for_labelling(workspace: Workspace) -> None:
    pairs.write(workspace.answers, [collected(0, "[purged]", "A", "B"), collected(1, THEIRS, "A", "B")])
    [item] = label_filling.collected(workspace, "comparison")
    assert item.record["prompt"][0]["content"] == THEIRS
