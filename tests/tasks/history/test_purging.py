"""Each place of a workspace, searched and purged without a round. Whole rounds are in tests/cli/test_forget.py."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from core.files import write_json, write_text
from feedback import pairs, store
from feedback.arrow import to_table
from feedback.preferences import preference_table, vote_table
from feedback.rows import VoteRow
from feedback.schema import FeedbackEvent, Message, RejectedRecord
from feedback.store import answers, arrivals, keys, label_queues, label_tasks, sessions
from feedback.store.queue import QueueItem
from tasks.history.purging import Place, places
from tasks.state import feedback_database, tables
from tasks.state.choosing import at
from tasks.state.workspace import Workspace, table
from tests.feedback.examples import chat, vote
from tests.feedback.store.test_answers import answer
from tests.serving.traced import files_with, traced
from tests.tasks.people.waiting_round import pair
from tests.tasks.steps.hand_written import preference

ANA = "ana"
SECRET = "Where is the parcel of Ana?"
THEIRS = vote("1", annotator_id=ANA, question=SECRET, answers=("In the street of Ana.", "Yes."))
OTHERS = vote("2", annotator_id="bo")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv(feedback_database.ADDRESS, raising=False)
    workspace = at(tmp_path / "workspace")
    store.append(workspace.feedback, [THEIRS, OTHERS], 0)
    return workspace


def found(workspace: Workspace, write: bool = False) -> dict[str, int]:
    return {place.what: place.number for place in places(workspace, ANA, write) if place.problem is None}


def cached(workspace: Workspace, name: str, *events: FeedbackEvent) -> Path:
    file = workspace.root / ".dvc/cache/files/md5" / name[:2] / name[2:]
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(to_table(events), file)
    file.chmod(0o444)
    return file


def test_only_the_parts_have_it_at_first_and_nothing_has_it_afterwards(workspace: Workspace) -> None:
    assert found(workspace) == {"stored events": 1}
    assert found(workspace, write=True) == {"stored events": 1}
    assert found(workspace) == {}


def test_rows_that_were_derived_from_it_are_removed_and_samples_keep_their_rows(workspace: Workspace) -> None:
    rows = [preference(1, "train")._replace(feedback_ids=[event.feedback_id]) for event in (THEIRS, OTHERS)]
    tables.write(table(workspace.preferences, "train"), preference_table(rows))
    voters = [VoteRow("p", "g", "train", name, 1.0, 0) for name in (ANA, "bo")]
    tables.write(table(workspace.preferences, "votes"), vote_table(voters))
    sampled = preference_table([preference(1, "train")._replace(chosen=SECRET)])
    tables.write(workspace.sampled, sampled)
    assert found(workspace, write=True)["rows of derived tables"] == 3
    assert [row["feedback_ids"] for row in tables.rows(table(workspace.preferences, "train"))] == [[OTHERS.feedback_id]]
    assert [row["annotator"] for row in tables.rows(table(workspace.preferences, "votes"))] == ["bo"]
    assert [row["chosen"] for row in tables.rows(workspace.sampled)] == ["[purged]"]


def test_texts_in_reports_pairs_and_pages_are_replaced_or_removed(workspace: Workspace) -> None:
    write_json(workspace.report("evaluate"), {"examples": [{"prompt": SECRET, "before": "x"}], "verdict": ANA})
    pairs.write(workspace.answers, [pair(0, "In the street of Ana.", "Yes.")])
    page = write_page(workspace, f"<p>{SECRET}</p>")
    kept = workspace.dashboard(1) / "index.html"
    write_text(kept, "<p>nothing</p>")
    assert found(workspace, write=True) == {"texts in reports and records": 2, "pages": 1, "stored events": 1}
    report = json.loads(workspace.report("evaluate").read_text())
    assert report == {"examples": [{"prompt": "[purged]", "before": "x"}], "verdict": ANA}
    assert [response.text for response in pairs.read(workspace.answers)[0].responses] == ["[purged]", "Yes."]
    assert (page.exists(), kept.exists()) == (False, True)


def write_page(workspace: Workspace, text: str) -> Path:
    write_text(workspace.explanation, text)
    return workspace.explanation


def test_objects_of_the_cache_are_removed_if_they_have_any_of_it(workspace: Workspace) -> None:
    theirs, others = cached(workspace, "a" * 32, THEIRS, OTHERS), cached(workspace, "b" * 32, OTHERS)
    listing = workspace.root / ".dvc/cache/files/md5/cc" / ("c" * 30 + ".dir")
    write_text(listing, json.dumps([{"md5": "a" * 32, "relpath": "part-00000-0.parquet"}]))
    assert found(workspace, write=True)["objects of the DVC cache"] == 1
    assert (theirs.exists(), others.exists(), listing.exists()) == (False, True, True)


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")
def test_what_somebody_asked_the_server_is_nowhere_afterwards(workspace: Workspace, empty_store: Path) -> None:
    """Not in the database, its log or MLflow, and not in what a round collected; the system prompt is everybody's."""
    shutil.copyfile(empty_store, workspace.database)
    system = Message(role="system", content="You are the help desk of a shop.")
    asked, answered, both = "I am Ana, of Rose Lane 7.", "Your parcel is in Rose Lane 7.", "Do you open on Sunday?"
    given = [
        answer("a", annotator=ANA, prompt=(system, *chat(asked)), text=answered),
        answer("b", annotator=ANA, prompt=(system, *chat(both)), text="Only on the first one of a month."),
        answer("c", annotator="bo", prompt=(system, *chat(both)), text="Bo, we open at nine o'clock."),
    ]
    with feedback_database.opened(workspace) as database:
        answers.put(database, given)
    traced(workspace, *given)
    collected = [pair(0, answered, "Soon.")._replace(prompt=(system, *chat(asked))), pair(1, "At nine.", "Never.")]
    pairs.write(workspace.answers, [collected[0], collected[1]._replace(prompt=(system, *chat(both)))])
    places_of_hers = ["data/answers/pairs.jsonl", "data/feedback.db", "mlflow.db"]
    assert files_with(workspace, asked) == places_of_hers
    counted = found(workspace, write=True)
    assert counted["answers of the server in the feedback database"] == 2
    assert counted["traces of answers in MLflow"] == 2
    assert [files_with(workspace, text) for text in (asked, answered, "Only on the first one")] == [[], [], []]
    assert files_with(workspace, both) == places_of_hers
    assert files_with(workspace, system.content) == places_of_hers
    assert files_with(workspace, "we open at nine") == ["data/feedback.db", "mlflow.db"]
    assert found(workspace) == {}


def test_the_name_is_in_no_byte_of_the_feedback_database_afterwards(workspace: Workspace) -> None:
    """Events, what the person judged and holds, answers, items made from them, the key and the session."""
    name, now = "ana-4711", datetime.now(UTC)
    with feedback_database.opened(workspace) as database:
        key = keys.check(database, keys.make(database, name, "annotator", now))
        sessions.begin(database, key, name, now)
        arrivals.put(database, [vote("9", annotator_id=name)], workspace.feedback, now)
        answers.put(database, [answer("a", annotator=name)])
        items = [QueueItem(f"item-{number}", {"kind": "rating", "responses": []}) for number in range(3)]
        items.append(QueueItem("theirs", {"kind": "rating", "responses": [], "asker": name}))
        label_queues.add(database, "main", items, 2)
        until = now + timedelta(hours=1)
        judged = label_tasks.take(database, name, now, until, lambda *_: "ordinary")
        assert judged is not None
        database.write(label_tasks.closing(judged, "finished", 1, now))
        assert label_tasks.take(database, name, now, until, lambda *_: "ordinary") is not None
    assert files_with(workspace, name) == ["data/feedback.db"]
    counted = {place.what: place.number for place in places(workspace, name, write=True)}
    assert counted == {
        "sessions on the pages of the server": 1,
        "keys, which are revoked and lose the name": 1,
        "events in the feedback database": 1,
        "answers of the server in the feedback database": 1,
        "answers of the server in labelling queues": 1,
    }
    assert files_with(workspace, name) == []
    with feedback_database.opened(workspace) as database:
        assert label_queues.states(database, now)[0][:5] == ("main", 3, 0, 6, 0)


def test_files_of_running_services_are_left_alone(workspace: Workspace) -> None:
    state = workspace.services / "prefect" / "state.json"
    write_text(state, "is being written")
    log = workspace.service_log("worker")
    write_text(log.with_suffix(".html"), f"<p>{SECRET}</p>")
    assert found(workspace, write=True) == {"stored events": 1}
    assert (state.read_text(), log.with_suffix(".html").exists()) == ("is being written", True)


def test_a_place_that_cannot_be_searched_is_named_and_the_others_are_purged(workspace: Workspace) -> None:
    with (workspace.root / ".dvc/config").open("a") as config:
        config.write(f"[cache]\n    dir = {workspace.root.parent / 'shared'}\n")
    write_text(workspace.inbox / "abc.jsonl", "\x1f\x8b no gzip")
    searched = list(places(workspace, ANA, write=True))
    problems: dict[str, Place] = {place.what: place for place in searched if place.problem}
    assert problems.keys() == {"objects of the DVC cache", "records in the inbox"}
    assert store.ids(workspace.feedback) == {OTHERS.feedback_id}


def test_votes_of_others_on_a_prompt_of_the_annotator_stay_without_its_text(workspace: Workspace) -> None:
    store.append(workspace.votes, [vote("9", annotator_id="bo", question=SECRET), vote("8", annotator_id=ANA)], 1)
    record = json.dumps(["votes-1-00000", [{"role": "user", "content": SECRET}]])
    store.quarantine(workspace.votes, [RejectedRecord(source="s", where="1", reason="equal", record=record)], 1)
    counted = found(workspace, write=True)
    assert (counted["counted fresh votes"], counted["fresh votes of others on their prompts"]) == (1, 2)
    [event] = store.events(workspace.votes)
    assert (event.annotator_id, event.prompt[0].content) == ("bo", "[purged]")
    [rejected] = store.rejections(workspace.votes)
    assert rejected.record == record.replace(SECRET, "[purged]")


def test_json_on_several_lines_is_searched_in_the_cache(workspace: Workspace) -> None:
    report = workspace.root / ".dvc/cache/files/md5/dd" / ("d" * 30)
    write_json(report, {"examples": [{"prompt": SECRET}]})
    assert found(workspace, write=True)["objects of the DVC cache"] == 1
    assert not report.exists()
