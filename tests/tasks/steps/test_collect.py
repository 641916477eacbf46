"""Pairs of answers by the champion, for annotators to compare."""

from datetime import UTC, datetime
from pathlib import Path

from core.files import read_json
from feedback import pairs
from feedback.store import answers
from tasks.state import feedback_database
from tasks.steps.collect import collect
from tests.feedback.store.test_answers import answer
from tests.tasks.steps.hand_written import Logged, opened, put

LABELLED = {"sources": [{"use": "simulated", "demonstrations": 0}]}
UNLABELLED = {"sources": [{"use": "jsonl", "path": "votes.jsonl"}]}


def test_without_a_champion_or_a_source_that_labels_nothing_is_answered(tmp_path: Path) -> None:
    for round in (opened(tmp_path, ingest=LABELLED), opened(tmp_path, champion="4", ingest=UNLABELLED)):
        collect(round, Logged())
        assert pairs.read(round.workspace.answers) == []
        assert read_json(round.workspace.report("collect"))["metrics"] == {"answers": 0, "tokens": 0}


def test_each_prompt_is_answered_twice_by_the_champion(tmp_path: Path, models: Path) -> None:
    round = opened(tmp_path, champion="4", ingest=LABELLED, collect={"prompts": 5})
    put(models / "policy", round.workspace.champion)
    collect(round, Logged())
    collected = pairs.read(round.workspace.answers)
    assert read_json(round.workspace.report("collect"))["metrics"]["answers"] == 10
    assert {pair.pair_id for pair in collected} <= {f"round-1-{index:05d}" for index in range(5)}
    for pair in collected:
        left, right = pair.responses
        assert (left.response_id, right.response_id) == (f"{pair.pair_id}-a", f"{pair.pair_id}-b")
        assert {left.model_version, right.model_version} == {"4"}
        assert left.text != right.text


def test_prompts_with_consent_come_from_the_feedback_database(tmp_path: Path, models: Path) -> None:
    sources = [{"use": "served"}, {"use": "label_page"}]
    round = opened(tmp_path, champion="4", ingest={"sources": sources}, collect={"prompts": 5})
    put(models / "policy", round.workspace.champion)
    with feedback_database.opened(round.workspace) as database:
        given = {"answered_at": datetime.now(UTC)}
        answers.put(database, [answer("a", consent="opt-in", **given), answer("b", **given)])
    collect(round, Logged())
    [pair] = pairs.read(round.workspace.answers)
    assert [turn.content for turn in pair.prompt] == ["Where is a?"]


def test_every_two_of_three_answers_are_a_pair(tmp_path: Path, models: Path) -> None:
    """Prompt i has answers a, b, c, and the pairs 3i (a, b), 3i + 1 (a, c), 3i + 2 (b, c)."""
    round = opened(tmp_path, champion="4", ingest=LABELLED, collect={"prompts": 5, "answers": 3})
    put(models / "policy", round.workspace.champion)
    collect(round, Logged())
    collected = pairs.read(round.workspace.answers)
    assert read_json(round.workspace.report("collect"))["metrics"]["answers"] == 15
    assert len(collected) > 10
    texts: dict[str, str] = {}
    for pair in collected:
        prompt, sides = divmod(int(pair.pair_id.removeprefix("round-1-")), 3)
        expected = [f"round-1-{prompt:05d}-{letter}" for letter in ("ab", "ac", "bc")[sides]]
        assert [response.response_id for response in pair.responses] == expected
        for response in pair.responses:
            assert texts.setdefault(response.response_id, response.text) == response.text


def test_equal_answers_are_no_pair(tmp_path: Path, models: Path) -> None:
    """At a temperature of almost zero, both answers are the most probable one."""
    round = opened(tmp_path, champion="4", ingest=LABELLED, collect={"prompts": 5, "temperature": 1e-4})
    put(models / "policy", round.workspace.champion)
    collect(round, Logged())
    assert read_json(round.workspace.report("collect"))["metrics"]["answers"] == 10
    assert pairs.read(round.workspace.answers) == []
